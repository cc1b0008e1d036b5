-- Seconds for which the oldest command has waited to be applied; 0 if none waits.
SELECT coalesce(date_part('epoch', clock_timestamp() - min(submitted_at)), 0) FROM command WHERE applied_at IS NULL
