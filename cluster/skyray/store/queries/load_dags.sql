SELECT dag_id, partition, bundle_name, version, is_paused, is_retired, next_run_after, next_logical_date
  FROM dag
 WHERE partition = %(partition)s::integer
 ORDER BY dag_id
