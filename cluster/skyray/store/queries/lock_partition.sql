-- Waits until the session has it. It goes with the session.
SELECT pg_advisory_lock(%(namespace)s::integer, %(partition)s::integer)
