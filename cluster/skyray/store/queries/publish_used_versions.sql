-- Those of the DAGs whose live version has a run. After publish_lock_versions: nothing that it says changes any more.
SELECT dag.dag_id
  FROM dag
 WHERE dag.dag_id = ANY (%(dag_ids)s::text[])
   AND EXISTS (SELECT 1 FROM dag_run AS run WHERE run.dag_id = dag.dag_id AND run.version = dag.version)
