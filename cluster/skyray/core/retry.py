"""When a failed try is followed by another, and after how long: Airflow's formula, to the second.

Pure arithmetic; core/world.py calls it when an attempt failed. Attempts that are lost with infrastructure are not
retries and never come here.
"""

from __future__ import annotations

import hashlib
import math
from datetime import datetime, timezone

from skyray.core.model import TaskSpec

#: No backoff exceeds a day (Airflow: ``[core] max_task_retry_delay``). A constant delay is what the author wrote.
MAX_BACKOFF_SECONDS = 86_400.0


def may_retry(try_number: int, max_tries: int) -> bool:
    """True if a try numbered ``try_number`` (from 1) that failed may be followed by another.

    ``max_tries`` is the number of retries that the author allows: 2 means up to three tries.

    >>> [may_retry(n, 2) for n in (1, 2, 3)]
    [True, True, False]
    """
    return max_tries != 0 and try_number <= max_tries


def retry_delay_seconds(
    task: TaskSpec, *, try_number: int, dag_id: str, logical_date: datetime | None, run_id: str
) -> float:
    """Seconds between the end of try ``try_number`` and the next one.

    Without a backoff (``retry_backoff`` 0 or 1) that is ``retry_delay_seconds``. With one, the delay lies between b and
    2b − 1 where b = ⌈delay · backoff^(try−1)⌉, spread by a hash so that tasks that failed together come back apart;
    then at most a day, and at most ``max_retry_delay_seconds``. A run without a logical date is told apart by its run
    id (Airflow hashes the word "None", so such runs come back together).
    """
    if task.retry_backoff <= 0 or task.retry_backoff == 1:
        return task.retry_delay_seconds
    base = _backoff(task.retry_delay_seconds, task.retry_backoff, try_number)
    moment = run_id if logical_date is None else str(logical_date.astimezone(timezone.utc))
    digest = hashlib.sha1(f"{dag_id}#{task.task_id}#{moment}#{try_number}".encode(), usedforsecurity=False).hexdigest()
    delay = float(min(base + int(digest, 16) % base, MAX_BACKOFF_SECONDS))
    if task.max_retry_delay_seconds is not None:
        delay = min(delay, task.max_retry_delay_seconds)
    return delay


def _backoff(delay_seconds: float, multiplier: float, try_number: int) -> int:
    try:
        return max(1, math.ceil(delay_seconds * multiplier ** (try_number - 1)))
    except OverflowError:  # a float's end; the cap applies long before
        return int(MAX_BACKOFF_SECONDS)
