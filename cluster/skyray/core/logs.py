"""Where an attempt's log lies, relative to the log folder: Airflow's layout, safe for every identifier."""

from __future__ import annotations

from urllib.parse import quote

#: Folder, inside a node's cache, of the output of attempts that run there.
OUTPUT_FOLDER = "output"

_SAFE = "+:@,=~ "


def _part(text: str) -> str:
    quoted = quote(text, safe=_SAFE)
    return quoted if quoted.strip(".") else quoted.replace(".", "%2E")


def log_path(dag_id: str, run_id: str, task_id: str, map_index: int, try_number: int) -> str:
    """The relative path of the log of one try. Identifiers are percent-encoded: no one of them can leave its folder."""
    mapped = f"map_index={map_index}/" if map_index >= 0 else ""
    return f"dag_id={_part(dag_id)}/run_id={_part(run_id)}/task_id={_part(task_id)}/{mapped}attempt={try_number}.log"


def output_name(attempt_id: int) -> str:
    """Where a running attempt's output is caught, relative to its node's cache: still there if its process dies."""
    return f"{OUTPUT_FOLDER}/{attempt_id}"
