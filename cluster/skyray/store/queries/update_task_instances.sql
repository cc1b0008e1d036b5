UPDATE task_instance AS ti
   SET state = new.state, try_number = new.try_number, max_tries = new.max_tries, attempt_id = new.attempt_id,
       infrastructure_failures = new.infrastructure_failures, executor = new.executor, pool = new.pool,
       pool_slots = new.pool_slots, priority_weight = new.priority_weight,
       scheduled_at = to_timestamp(new.scheduled_at), queued_at = to_timestamp(new.queued_at),
       start_date = to_timestamp(new.start_date), end_date = to_timestamp(new.end_date),
       not_before = to_timestamp(new.not_before), node_id = new.node_id, pid = new.pid, error = new.error, note = new.note
  FROM unnest(
    %(ti_id)s::bigint[], %(state)s::text[], %(try_number)s::integer[], %(max_tries)s::integer[], %(attempt_id)s::bigint[],
    %(infrastructure_failures)s::integer[], %(executor)s::text[], %(pool)s::text[], %(pool_slots)s::integer[],
    %(priority_weight)s::integer[], %(scheduled_at)s::float8[], %(queued_at)s::float8[], %(start_date)s::float8[],
    %(end_date)s::float8[], %(not_before)s::float8[], %(node_id)s::text[], %(pid)s::integer[], %(error)s::text[],
    %(note)s::text[]
  ) AS new (
    ti_id, state, try_number, max_tries, attempt_id, infrastructure_failures, executor, pool, pool_slots,
    priority_weight, scheduled_at, queued_at, start_date, end_date, not_before, node_id, pid, error, note
  )
 WHERE ti.ti_id = new.ti_id
