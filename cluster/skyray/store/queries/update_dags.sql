-- Only what the leader decides. Version, bundle and retirement are the DagProcessor's, which may be ahead of the leader.
UPDATE dag
   SET is_paused = new.is_paused, next_run_after = new.next_run_after, next_logical_date = new.next_logical_date
  FROM unnest(
    %(dag_id)s::text[], %(is_paused)s::boolean[], %(next_run_after)s::timestamptz[], %(next_logical_date)s::timestamptz[]
  ) AS new (dag_id, is_paused, next_run_after, next_logical_date)
 WHERE dag.dag_id = new.dag_id
