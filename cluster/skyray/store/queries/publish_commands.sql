-- In the order of partitions: see add_command.
SELECT add_command(partition, dag_id, kind, json_build_object('dag_id', dag_id), NULL)
  FROM (SELECT * FROM unnest(%(partition)s::integer[], %(dag_id)s::text[], %(kind)s::text[]) AS new (partition, dag_id, kind)
         ORDER BY partition) AS ordered
