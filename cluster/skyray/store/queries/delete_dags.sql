-- With their versions, runs, task instances and values.
DELETE FROM dag WHERE dag_id = ANY (%(dag_id)s::text[])
