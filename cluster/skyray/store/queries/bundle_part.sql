SELECT content FROM bundle_part WHERE digest = %(digest)s::text AND part = %(part)s::integer
