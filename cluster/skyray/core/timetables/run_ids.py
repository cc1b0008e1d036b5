"""Run ids: how generated ones look (Airflow 3's form), and which ones a user may choose."""

from __future__ import annotations

import re
from datetime import datetime

from skyray.core.states import RunType
from skyray.core.timetables.base import utc

#: What a run id consists of; to be matched in full.
RUN_ID_PATTERN = r"[A-Za-z0-9_.~:+-]+"
RUN_ID_LENGTH_MAX = 250
_RUN_ID = re.compile(RUN_ID_PATTERN)


def run_id_for(run_type: RunType, run_after: datetime) -> str:
    """The run id of a generated run: unique within a DAG as long as ``run_after`` is, for this type of run.

    >>> from datetime import timezone
    >>> run_id_for(RunType.SCHEDULED, datetime(2026, 1, 1, tzinfo=timezone.utc))
    'scheduled__2026-01-01T00:00:00+00:00'
    """
    return f"{run_type.value}__{utc(run_after).isoformat()}"


def validate_run_id(text: str, *, manual: bool) -> None:
    """Raise ``ValueError``, which says why, unless ``text`` can be a run id.

    With ``manual`` (a user chose it) it may not look like one that the scheduler generates.
    """
    if not text:
        raise ValueError("a run id cannot be empty")
    if len(text) > RUN_ID_LENGTH_MAX:
        raise ValueError(f"a run id has at most {RUN_ID_LENGTH_MAX} characters, this one has {len(text)}")
    if not _RUN_ID.fullmatch(text):
        raise ValueError(f"run id {text!r} may only have letters, digits and _ . ~ : + -")
    if manual:
        for run_type in RunType:
            if run_type is not RunType.MANUAL and text.startswith(f"{run_type.value}__"):
                raise ValueError(f"run id {text!r} is reserved for {run_type.value} runs; choose another beginning")
