-- Newest first.
SELECT v.dag_id, v.version, dag.bundle_name, v.bundle_digest, v.created_at
  FROM dag_version AS v
  JOIN dag ON dag.dag_id = v.dag_id
 WHERE v.dag_id = %(dag_id)s::text AND (%(after)s::integer IS NULL OR v.version < %(after)s::integer)
 ORDER BY v.version DESC
 LIMIT %(limit)s::integer
