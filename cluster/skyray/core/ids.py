"""Identifiers for runs, task instances and attempts, unique for ever without asking anybody.

63 bits: epoch (20) | partition (8) | counter (35). An epoch is given to one leader only (store/leader_lock.py), so two
leaders, even of the same partition, can never make the same identifier.
"""

from __future__ import annotations

_EPOCH_BITS, _PARTITION_BITS, _COUNTER_BITS = 20, 8, 35
MAX_PARTITIONS = 1 << _PARTITION_BITS


class IdSource:
    """Counts up within one leadership. Raises ``OverflowError`` after 34 billion identifiers or a million epochs."""

    def __init__(self, partition: int, epoch: int) -> None:
        if not 0 <= partition < MAX_PARTITIONS:
            raise OverflowError(f"partition {partition} is not in 0..{MAX_PARTITIONS - 1}")
        if not 0 < epoch < 1 << _EPOCH_BITS:
            raise OverflowError(f"epoch {epoch} is not in 1..{(1 << _EPOCH_BITS) - 1}")
        self._base = (epoch << _PARTITION_BITS | partition) << _COUNTER_BITS
        self._counter = 0

    def next(self) -> int:
        """The next identifier."""
        self._counter += 1
        if self._counter >> _COUNTER_BITS:
            raise OverflowError("identifiers of this leadership are used up; fail over to begin a new epoch")
        return self._base | self._counter
