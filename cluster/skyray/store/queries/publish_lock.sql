-- One publication at a time in a database; held to the end of the transaction.
SELECT pg_advisory_xact_lock(1397441795)
