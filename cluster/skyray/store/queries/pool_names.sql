SELECT name FROM pool ORDER BY name
