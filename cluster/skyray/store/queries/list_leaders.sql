SELECT partition, epoch, holder, since, heartbeat_at
  FROM leadership
 WHERE partition < (SELECT value::integer FROM setting WHERE name = 'partitions')
 ORDER BY partition
