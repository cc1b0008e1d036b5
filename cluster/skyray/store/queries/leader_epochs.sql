-- Partitions that have, or had, a leader.
SELECT partition, epoch FROM leadership WHERE epoch > 0
