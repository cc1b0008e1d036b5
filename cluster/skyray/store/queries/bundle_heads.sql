SELECT name, digest, kind FROM bundle_head ORDER BY name
