SELECT ti.map_index, xcom.value
  FROM dag_run AS run
  JOIN task_instance AS ti ON ti.run_seq = run.seq
  JOIN xcom ON xcom.ti_id = ti.ti_id
 WHERE run.dag_id = %(dag_id)s::text AND run.run_id = %(run_id)s::text AND ti.task_id = %(task_id)s::text
   AND xcom.key = %(key)s::text AND (%(map_index)s::integer IS NULL OR ti.map_index = %(map_index)s::integer)
 ORDER BY ti.map_index
