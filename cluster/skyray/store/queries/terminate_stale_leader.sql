-- Only a process that holds the lock now and is recorded as its holder; found out in full before anything is ended.
WITH stale AS MATERIALIZED (
    SELECT led.backend_pid, led.holder, led.epoch
      FROM leadership AS led
      JOIN pg_locks AS held
        ON held.locktype = 'advisory' AND held.classid = %(namespace)s::integer::oid AND held.objid = led.partition::oid
       AND held.objsubid = 2 AND held.granted AND held.pid = led.backend_pid
       AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database())
     WHERE led.partition = %(partition)s::integer
       AND led.heartbeat_at < clock_timestamp() - make_interval(secs => %(seconds)s::float8)
)
SELECT backend_pid, holder, epoch FROM stale WHERE pg_terminate_backend(backend_pid)
