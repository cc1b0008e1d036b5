-- By dag_id. The header stands for the spec, which is long.
SELECT dag.dag_id, dag.partition, dag.bundle_name, dag.version, dag.is_paused, dag.is_retired, dag.next_run_after,
       dag.next_logical_date, dag.header, dag.relative_path, v.bundle_digest
  FROM dag
  JOIN dag_version AS v ON v.dag_id = dag.dag_id AND v.version = dag.version
 WHERE (%(after)s::text IS NULL OR dag.dag_id > %(after)s::text)
   AND (%(include_retired)s::boolean OR NOT dag.is_retired)
   AND (%(is_paused)s::boolean IS NULL OR dag.is_paused = %(is_paused)s::boolean)
   AND dag.tags @> %(tags)s::text[]
   AND (%(id_part)s::text IS NULL OR strpos(lower(dag.dag_id), lower(%(id_part)s::text)) > 0)
 ORDER BY dag.dag_id
 LIMIT %(limit)s::integer
