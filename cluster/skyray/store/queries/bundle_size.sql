SELECT size_bytes FROM bundle WHERE digest = %(digest)s::text
