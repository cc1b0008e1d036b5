-- Null if there is a command of that request already.
SELECT add_command(%(partition)s::integer, %(dag_id)s::text, %(kind)s::text, %(payload)s::json, %(request_id)s::text)
