-- Values travel as hexadecimal text: no escapes, half the statement's size.
INSERT INTO xcom (ti_id, key, value)
SELECT ti_id, key, decode(value, 'hex')
  FROM unnest(%(ti_id)s::bigint[], %(key)s::text[], %(value)s::text[]) AS new (ti_id, key, value)
    ON CONFLICT (ti_id, key) DO UPDATE SET value = excluded.value
