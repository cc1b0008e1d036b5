UPDATE leadership SET heartbeat_at = clock_timestamp()
 WHERE partition = %(partition)s::integer AND epoch = %(epoch)s::bigint AND backend_pid = pg_backend_pid()
