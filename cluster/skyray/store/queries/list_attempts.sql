SELECT attempt_id, ti_id, try_number, state, date_part('epoch', start_date), date_part('epoch', end_date),
       date_part('epoch', queued_at), executor, node_id, pid, error
  FROM task_attempt
 WHERE ti_id = %(ti_id)s::bigint
 ORDER BY attempt_id
