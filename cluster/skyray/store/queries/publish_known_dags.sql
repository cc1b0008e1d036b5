-- DAGs of the bundle, and others' under the dag_ids that it wants, with the hashes of their live versions.
SELECT dag.dag_id, dag.partition, dag.bundle_name, dag.relative_path, dag.version, dag.is_retired, dag.header, v.spec_hash,
       v.source_hash
  FROM dag
  JOIN dag_version AS v ON v.dag_id = dag.dag_id AND v.version = dag.version
 WHERE dag.bundle_name = %(bundle_name)s::text OR dag.dag_id = ANY (%(dag_ids)s::text[])
