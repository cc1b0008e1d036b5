-- Of unfinished runs, and of their task instances, by state.
SELECT 'run', state, count(*) FROM dag_run WHERE state IN ('queued', 'running') GROUP BY state
 UNION ALL
SELECT 'task_instance', ti.state, count(*)
  FROM dag_run AS run
  JOIN task_instance AS ti ON ti.run_seq = run.seq
 WHERE run.state IN ('queued', 'running')
 GROUP BY ti.state
