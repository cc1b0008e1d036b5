SELECT applied_at IS NOT NULL, result, code, message FROM command WHERE command_id = %(command_id)s::bigint
