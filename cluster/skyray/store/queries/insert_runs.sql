INSERT INTO dag_run (
    seq, dag_id, run_id, run_type, state, version, logical_date, data_interval_start, data_interval_end,
    run_after, queued_at, start_date, end_date, conf, triggered_by, note
)
SELECT seq, dag_id, run_id, run_type, state, version, logical_date, data_interval_start, data_interval_end,
       to_timestamp(run_after), to_timestamp(queued_at), to_timestamp(start_date), to_timestamp(end_date),
       conf, triggered_by, note
  FROM unnest(
    %(seq)s::bigint[], %(dag_id)s::text[], %(run_id)s::text[], %(run_type)s::text[], %(state)s::text[],
    %(version)s::integer[], %(logical_date)s::timestamptz[], %(data_interval_start)s::timestamptz[],
    %(data_interval_end)s::timestamptz[], %(run_after)s::float8[], %(queued_at)s::float8[], %(start_date)s::float8[],
    %(end_date)s::float8[], %(conf)s::json[], %(triggered_by)s::text[], %(note)s::text[]
  ) AS new (
    seq, dag_id, run_id, run_type, state, version, logical_date, data_interval_start, data_interval_end,
    run_after, queued_at, start_date, end_date, conf, triggered_by, note
  )
