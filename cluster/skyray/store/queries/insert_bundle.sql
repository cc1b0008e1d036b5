INSERT INTO bundle (digest, size_bytes) VALUES (%(digest)s::text, %(size_bytes)s::bigint) ON CONFLICT DO NOTHING
