INSERT INTO bundle_part (digest, part, content) VALUES (%(digest)s::text, %(part)s::integer, %(content)s::bytea)
