-- Live versions that are to change: no run can be made of them until this transaction ends (see assert_editions).
SELECT v.dag_id
  FROM dag
  JOIN dag_version AS v ON v.dag_id = dag.dag_id AND v.version = dag.version
 WHERE dag.dag_id = ANY (%(dag_ids)s::text[])
 ORDER BY v.dag_id
   FOR UPDATE OF v
