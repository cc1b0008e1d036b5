SELECT dag_id FROM dag WHERE dag_id = ANY (%(dag_ids)s::text[]) ORDER BY dag_id FOR NO KEY UPDATE
