-- What never changes in a run (identity, version, dates of its interval) is left alone.
UPDATE dag_run AS run
   SET state = new.state, run_after = to_timestamp(new.run_after), queued_at = to_timestamp(new.queued_at),
       start_date = to_timestamp(new.start_date), end_date = to_timestamp(new.end_date), conf = new.conf, note = new.note
  FROM unnest(
    %(seq)s::bigint[], %(state)s::text[], %(run_after)s::float8[], %(queued_at)s::float8[], %(start_date)s::float8[],
    %(end_date)s::float8[], %(conf)s::json[], %(note)s::text[]
  ) AS new (seq, state, run_after, queued_at, start_date, end_date, conf, note)
 WHERE run.seq = new.seq
