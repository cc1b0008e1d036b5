SELECT seq, dag_id, run_id, run_type, state, version, logical_date, data_interval_start, data_interval_end,
       date_part('epoch', run_after), date_part('epoch', queued_at), date_part('epoch', start_date),
       date_part('epoch', end_date), conf, triggered_by, note
  FROM dag_run
 WHERE dag_id = %(dag_id)s::text AND run_type = 'scheduled' AND logical_date IS NOT NULL
 ORDER BY logical_date DESC
 LIMIT 1
