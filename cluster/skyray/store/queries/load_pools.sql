SELECT name, slots, description, include_deferred FROM pool ORDER BY name
