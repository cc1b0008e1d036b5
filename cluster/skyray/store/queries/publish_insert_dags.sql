INSERT INTO dag (dag_id, partition, bundle_name, relative_path, version, is_paused, header, tags)
SELECT dag_id, partition, %(bundle_name)s::text, relative_path, 1, is_paused, header,
       ARRAY(SELECT json_array_elements_text(tags))
  FROM unnest(
    %(dag_id)s::text[], %(partition)s::integer[], %(relative_path)s::text[], %(is_paused)s::boolean[], %(header)s::json[],
    %(tags)s::json[]
  ) AS new (dag_id, partition, relative_path, is_paused, header, tags)
