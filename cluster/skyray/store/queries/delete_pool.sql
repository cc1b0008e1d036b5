DELETE FROM pool WHERE name = %(name)s::text
