-- A new try of these task instances starts with none.
DELETE FROM xcom WHERE ti_id = ANY (%(ti_id)s::bigint[])
