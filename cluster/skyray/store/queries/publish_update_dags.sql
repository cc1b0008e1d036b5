-- is_paused is the leader's.
UPDATE dag
   SET bundle_name = %(bundle_name)s::text, relative_path = new.relative_path, version = new.version, is_retired = false,
       header = new.header, tags = ARRAY(SELECT json_array_elements_text(new.tags)), updated_at = now()
  FROM unnest(%(dag_id)s::text[], %(relative_path)s::text[], %(version)s::integer[], %(header)s::json[], %(tags)s::json[])
    AS new (dag_id, relative_path, version, header, tags)
 WHERE dag.dag_id = new.dag_id
