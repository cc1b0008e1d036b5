SELECT ti.run_seq, ti.task_id, xcom.key, xcom.value
  FROM unnest(%(run_seq)s::bigint[], %(task_id)s::text[], %(key)s::text[]) AS wanted (run_seq, task_id, key)
  JOIN task_instance AS ti ON ti.run_seq = wanted.run_seq AND ti.task_id = wanted.task_id AND ti.map_index = -1
  JOIN xcom ON xcom.ti_id = ti.ti_id AND xcom.key = wanted.key
