"""Which partition a DAG belongs to: a stable hash, so every process agrees without asking."""

from __future__ import annotations

import hashlib


def partition_of(dag_id: str, partitions: int) -> int:
    """The partition, 0 ≤ p < ``partitions``, of a DAG."""
    if partitions == 1:
        return 0
    return int.from_bytes(hashlib.sha256(dag_id.encode()).digest()[:8], "big") % partitions
