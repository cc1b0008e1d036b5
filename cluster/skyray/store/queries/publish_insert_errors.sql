INSERT INTO import_error (bundle_name, path, dag_id, line, message, traceback)
SELECT %(bundle_name)s::text, path, dag_id, line, message, traceback
  FROM unnest(%(path)s::text[], %(dag_id)s::text[], %(line)s::integer[], %(message)s::text[], %(traceback)s::text[])
    AS new (path, dag_id, line, message, traceback)
