-- For each of the wanted (by its place): is there a run of that DAG with the run id, or with the logical date?
SELECT wanted.place,
       EXISTS (SELECT 1 FROM dag_run AS run WHERE run.dag_id = wanted.dag_id AND run.run_id = wanted.run_id),
       EXISTS (SELECT 1 FROM dag_run AS run WHERE run.dag_id = wanted.dag_id AND run.logical_date = wanted.logical_date)
  FROM unnest(%(place)s::integer[], %(dag_id)s::text[], %(run_id)s::text[], %(logical_date)s::timestamptz[])
    AS wanted (place, dag_id, run_id, logical_date)
