INSERT INTO bundle_head (name, digest, kind) VALUES (%(bundle_name)s::text, %(digest)s::text, %(kind)s::text)
    ON CONFLICT (name) DO UPDATE SET digest = excluded.digest, kind = excluded.kind, updated_at = now()
