SELECT command_id, partition, kind, dag_id, payload FROM command WHERE request_id = %(request_id)s::text
