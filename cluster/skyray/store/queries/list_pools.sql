-- With the slots that task instances of active runs occupy.
SELECT pool.name, pool.slots, pool.description, pool.include_deferred, coalesce(used.queued, 0),
       coalesce(used.running, 0), coalesce(used.deferred, 0)
  FROM pool
  LEFT JOIN (
    SELECT ti.pool, sum(ti.pool_slots) FILTER (WHERE ti.state = 'queued') AS queued,
           sum(ti.pool_slots) FILTER (WHERE ti.state IN ('running', 'restarting')) AS running,
           sum(ti.pool_slots) FILTER (WHERE ti.state = 'deferred') AS deferred
      FROM dag_run AS run
      JOIN task_instance AS ti ON ti.run_seq = run.seq
     WHERE run.state IN ('queued', 'running') AND ti.state IN ('queued', 'running', 'restarting', 'deferred')
     GROUP BY ti.pool
  ) AS used ON used.pool = pool.name
 WHERE %(name)s::text IS NULL OR pool.name = %(name)s::text
 ORDER BY pool.name
