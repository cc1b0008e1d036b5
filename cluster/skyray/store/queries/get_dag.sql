SELECT dag.dag_id, dag.partition, dag.bundle_name, dag.version, dag.is_paused, dag.is_retired, dag.next_run_after,
       dag.next_logical_date, v.spec, dag.relative_path, v.bundle_digest, dag.header
  FROM dag
  JOIN dag_version AS v ON v.dag_id = dag.dag_id AND v.version = dag.version
 WHERE dag.dag_id = %(dag_id)s::text
