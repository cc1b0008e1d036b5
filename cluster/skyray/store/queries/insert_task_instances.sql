INSERT INTO task_instance (
    ti_id, run_seq, task_id, map_index, state, try_number, max_tries, attempt_id, infrastructure_failures, executor,
    pool, pool_slots, priority_weight, scheduled_at, queued_at, start_date, end_date, not_before, node_id, pid, error, note
)
SELECT ti_id, run_seq, task_id, map_index, state, try_number, max_tries, attempt_id, infrastructure_failures, executor,
       pool, pool_slots, priority_weight, to_timestamp(scheduled_at), to_timestamp(queued_at), to_timestamp(start_date),
       to_timestamp(end_date), to_timestamp(not_before), node_id, pid, error, note
  FROM unnest(
    %(ti_id)s::bigint[], %(run_seq)s::bigint[], %(task_id)s::text[], %(map_index)s::integer[], %(state)s::text[],
    %(try_number)s::integer[], %(max_tries)s::integer[], %(attempt_id)s::bigint[],
    %(infrastructure_failures)s::integer[], %(executor)s::text[], %(pool)s::text[], %(pool_slots)s::integer[],
    %(priority_weight)s::integer[], %(scheduled_at)s::float8[], %(queued_at)s::float8[], %(start_date)s::float8[],
    %(end_date)s::float8[], %(not_before)s::float8[], %(node_id)s::text[], %(pid)s::integer[], %(error)s::text[],
    %(note)s::text[]
  ) AS new (
    ti_id, run_seq, task_id, map_index, state, try_number, max_tries, attempt_id, infrastructure_failures, executor,
    pool, pool_slots, priority_weight, scheduled_at, queued_at, start_date, end_date, not_before, node_id, pid, error, note
  )
