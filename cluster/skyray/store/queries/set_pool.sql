INSERT INTO pool (name, slots, description, include_deferred)
VALUES (%(name)s::text, %(slots)s::integer, %(description)s::text, %(include_deferred)s::boolean)
    ON CONFLICT (name) DO UPDATE
   SET slots = excluded.slots, description = excluded.description, include_deferred = excluded.include_deferred
