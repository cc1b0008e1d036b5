-- By identifier: each publication of a bundle replaces its errors.
SELECT import_error_id, bundle_name, path, dag_id, line, message, traceback, created_at
  FROM import_error
 WHERE %(after)s::bigint IS NULL OR import_error_id > %(after)s::bigint
 ORDER BY import_error_id
 LIMIT %(limit)s::integer
