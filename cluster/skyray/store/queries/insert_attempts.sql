INSERT INTO task_attempt (
    attempt_id, ti_id, try_number, state, start_date, end_date, queued_at, executor, node_id, pid, error
)
SELECT attempt_id, ti_id, try_number, state, to_timestamp(start_date), to_timestamp(end_date), to_timestamp(queued_at),
       executor, node_id, pid, error
  FROM unnest(
    %(attempt_id)s::bigint[], %(ti_id)s::bigint[], %(try_number)s::integer[], %(state)s::text[], %(start_date)s::float8[],
    %(end_date)s::float8[], %(queued_at)s::float8[], %(executor)s::text[], %(node_id)s::text[], %(pid)s::integer[],
    %(error)s::text[]
  ) AS new (attempt_id, ti_id, try_number, state, start_date, end_date, queued_at, executor, node_id, pid, error)
