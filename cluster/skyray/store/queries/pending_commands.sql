SELECT command_id, kind, payload
  FROM command
 WHERE partition = %(partition)s::integer AND applied_at IS NULL AND command_id > %(after)s::bigint
 ORDER BY command_id
 LIMIT %(limit)s::integer
