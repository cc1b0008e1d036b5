SELECT run.seq, run.dag_id, run.run_id, run.run_type, run.state, run.version, run.logical_date, run.data_interval_start,
       run.data_interval_end, date_part('epoch', run.run_after), date_part('epoch', run.queued_at),
       date_part('epoch', run.start_date), date_part('epoch', run.end_date), run.conf, run.triggered_by, run.note
  FROM dag_run AS run
  JOIN dag ON dag.dag_id = run.dag_id
 WHERE dag.partition = %(partition)s::integer AND run.state IN ('queued', 'running')
 ORDER BY run.seq
