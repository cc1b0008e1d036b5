SELECT (SELECT partition FROM dag WHERE dag_id = %(dag_id)s::text),
       (SELECT value::integer FROM setting WHERE name = 'partitions')
