-- On the session that holds the lock, and nowhere else.
INSERT INTO leadership AS led (partition, epoch, holder, since, backend_pid, heartbeat_at)
VALUES (%(partition)s::integer, 1, %(holder)s::text, clock_timestamp(), pg_backend_pid(), clock_timestamp())
    ON CONFLICT (partition) DO UPDATE
   SET epoch = led.epoch + 1, holder = excluded.holder, since = excluded.since, backend_pid = excluded.backend_pid,
       heartbeat_at = excluded.heartbeat_at
RETURNING led.epoch
