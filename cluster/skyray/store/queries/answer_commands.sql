UPDATE command
   SET applied_at = now(), result = new.result, code = new.code, message = new.message
  FROM unnest(%(command_id)s::bigint[], %(result)s::json[], %(code)s::text[], %(message)s::text[])
    AS new (command_id, result, code, message)
 WHERE command.command_id = new.command_id AND command.applied_at IS NULL
