-- Newest first.
SELECT seq, dag_id, run_id, run_type, state, version, logical_date, data_interval_start, data_interval_end,
       date_part('epoch', run_after), date_part('epoch', queued_at), date_part('epoch', start_date),
       date_part('epoch', end_date), conf, triggered_by, note
  FROM dag_run
 WHERE (%(dag_id)s::text IS NULL OR dag_id = %(dag_id)s::text)
   AND (%(states)s::text[] IS NULL OR state = ANY (%(states)s::text[]))
   AND (%(after_seq)s::bigint IS NULL
        OR (run_after, seq) < (to_timestamp(%(after_run_after)s::float8), %(after_seq)s::bigint))
 ORDER BY run_after DESC, seq DESC
 LIMIT %(limit)s::integer
