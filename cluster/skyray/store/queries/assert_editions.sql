-- Fails with SK002 if a version that new runs are made of was replaced since the leader read it.
SELECT assert_editions(%(dag_ids)s::text[], %(versions)s::integer[], %(editions)s::integer[])
