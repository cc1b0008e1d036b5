UPDATE dag SET is_retired = true, updated_at = now() WHERE dag_id = ANY (%(dag_ids)s::text[])
