-- In the order in which they were made: that of the DAG's tasks.
SELECT ti.ti_id, ti.run_seq, run.dag_id, run.run_id, ti.task_id, ti.map_index, ti.state, ti.try_number, ti.max_tries,
       ti.attempt_id, ti.infrastructure_failures, ti.executor, ti.pool, ti.pool_slots, ti.priority_weight,
       date_part('epoch', ti.scheduled_at), date_part('epoch', ti.queued_at), date_part('epoch', ti.start_date),
       date_part('epoch', ti.end_date), date_part('epoch', ti.not_before), ti.node_id, ti.pid, ti.error, ti.note
  FROM task_instance AS ti
  JOIN dag_run AS run ON run.seq = ti.run_seq
 WHERE run.dag_id = %(dag_id)s::text AND run.run_id = %(run_id)s::text
   AND (%(states)s::text[] IS NULL OR ti.state = ANY (%(states)s::text[]))
   AND (%(after)s::bigint IS NULL OR ti.ti_id > %(after)s::bigint)
 ORDER BY ti.ti_id
 LIMIT %(limit)s::integer
