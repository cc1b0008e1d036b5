-- The fence: fails with SK001 unless the epoch is still the newest, and holds it so until the transaction ends.
SELECT assert_leader(%(partition)s::integer, %(epoch)s::bigint)
