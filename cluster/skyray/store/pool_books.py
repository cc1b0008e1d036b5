"""What the Pools actor reads: the pools' definitions, and which leaders it must hear of before it grants anything."""

from __future__ import annotations

from skyray.core.model import Pool
from skyray.store.engine import connect, translated
from skyray.store.snapshot import load_pools
from skyray.store.statements import statement


def read_pools_and_epochs(url: str) -> tuple[list[Pool], dict[int, int]]:
    """All pools, and the newest epoch of every partition that has had a leader. Raises ``StoreUnavailableError``."""
    connection = connect(url, application_name="skyray-pools")
    try:
        with translated(url), connection.cursor() as cursor:
            pools = load_pools(cursor)
            cursor.execute(statement("leader_epochs"))
            return pools, dict(cursor.fetchall())
    finally:
        connection.close()
