-- The live version of every DAG, and those of active runs.
SELECT v.dag_id, v.version, v.edition, v.spec, v.bundle_digest
  FROM dag_version AS v
  JOIN dag ON dag.dag_id = v.dag_id
 WHERE dag.partition = %(partition)s::integer
   AND (v.version = dag.version
        OR EXISTS (SELECT 1 FROM dag_run AS run
                    WHERE run.dag_id = v.dag_id AND run.version = v.version AND run.state IN ('queued', 'running')))
 ORDER BY v.dag_id, v.version
