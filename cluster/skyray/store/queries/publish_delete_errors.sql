DELETE FROM import_error
 WHERE bundle_name = %(bundle_name)s::text
   AND path <> ALL (%(pending)s::text[])
