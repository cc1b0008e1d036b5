"""Task functions of the benchmarks: as short as possible, and able to say when they ran.

Defines no DAG; the files beside it import it, as DAG files of one bundle may.
"""

import os
import time

from skyray import get_current_context


def nothing() -> None:
    """The task that costs nothing itself."""


def stamp() -> None:
    """Append "task_id start end", by this machine's clock, to the file that the run's conf names under ``stamps``."""
    start = time.time()
    context = get_current_context()
    path = context["dag_run"].conf.get("stamps")
    if path is None:
        return
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND)
    try:
        os.write(descriptor, f"{context['ti'].task_id} {start!r} {time.time()!r}\n".encode())
    finally:
        os.close(descriptor)
