"""How an attempt ended: what the author's code raised, mapped to an outcome and put into words.

    AirflowSkipException                                     SKIPPED
    AirflowFailException, AirflowSensorTimeout               FAILED_FOR_GOOD
    DownstreamTasksSkipped                                   SUCCESS, and these tasks are skipped
    what this version cannot do (deferring, rescheduling …)  FAILED_FOR_GOOD
    anything else, also sys.exit() and KeyboardInterrupt     FAILED

Called by task_run.py. Not here: retries (the core decides).
"""

from __future__ import annotations

import os
import sys
import traceback
from dataclasses import dataclass
from types import TracebackType

from skyray.core.messages import OutcomeKind
from skyray.errors import SkyrayError, UnsupportedFeatureError
from skyray.exceptions import (
    AirflowException,
    AirflowFailException,
    AirflowRescheduleException,
    AirflowSensorTimeout,
    AirflowSkipException,
    AirflowTaskTimeout,
    DagRunTriggerException,
    DownstreamTasksSkipped,
    TaskAwaitingInput,
    TaskDeferred,
)
from skyray.execution.interrupts import ProcessExit

_ERROR_LENGTH_MAX = 500
_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_EXECUTION = os.path.dirname(os.path.abspath(__file__)) + os.sep
_UNSUPPORTED: dict[type[BaseException], str] = {
    TaskDeferred: "deferring a task",
    TaskAwaitingInput: "waiting for a person's input",
    AirflowRescheduleException: "rescheduling a task (sensor mode 'reschedule')",
    DagRunTriggerException: "triggering another DAG from a task",
}


_ON_PURPOSE = (AirflowException, AirflowTaskTimeout, SkyrayError, KeyboardInterrupt)


@dataclass(frozen=True, slots=True)
class Ending:
    """An attempt's end in the core's words. ``error`` is one line."""

    kind: OutcomeKind
    error: str | None = None
    skipped_task_ids: tuple[str, ...] = ()


SUCCESS = Ending(OutcomeKind.SUCCESS)


def ending_of(error: BaseException) -> Ending:
    """The ending that ``error`` means."""
    if isinstance(error, AirflowSkipException):
        return Ending(OutcomeKind.SKIPPED, _line(str(error)) or None)
    if isinstance(error, DownstreamTasksSkipped):
        return _skipping(error)
    if isinstance(error, (AirflowFailException, AirflowSensorTimeout, UnsupportedFeatureError)):
        return Ending(OutcomeKind.FAILED_FOR_GOOD, describe(error))
    for kind, feature in _UNSUPPORTED.items():
        if isinstance(error, kind):
            return Ending(OutcomeKind.FAILED_FOR_GOOD, f"{feature} is not supported yet")
    return Ending(OutcomeKind.FAILED, describe(error))


def _skipping(request: DownstreamTasksSkipped) -> Ending:
    task_ids: list[str] = []
    for task in request.tasks:
        task_id, map_index = (task, -1) if isinstance(task, str) else task
        if map_index >= 0:
            return Ending(
                OutcomeKind.FAILED_FOR_GOOD, "skipping single instances of a mapped task is not supported yet"
            )
        task_ids.append(task_id)
    return Ending(OutcomeKind.SUCCESS, skipped_task_ids=tuple(task_ids))


def describe(error: BaseException) -> str:
    """An error in one line, with the author's line of code: ``ValueError: no rows (etl.py:12)``."""
    if isinstance(error, ProcessExit):
        words = f"the task called {error.code}"
    elif isinstance(error, SystemExit):
        words = f"the task called sys.exit({'' if error.code is None else repr(error.code)})"
    elif isinstance(error, KeyboardInterrupt):
        words = "the task was interrupted (KeyboardInterrupt)"
    else:
        text = _line(str(error))
        hint = getattr(error, "hint", "")
        words = type(error).__name__ + (f": {text}" if text else "") + (f" – {hint}" if hint else "")
    place = _authors_place(error.__traceback__)
    return words + (f" ({place})" if place else "")


def print_error(error: BaseException) -> None:
    """The traceback to standard error, without the frames that lead from the worker to the author's code. Where no
    frame is the author's, an error that we raise on purpose is told by its message alone."""
    trace = _authors_part(error.__traceback__)
    if trace is None and not isinstance(error, _ON_PURPOSE):
        trace = _without_worker(error.__traceback__)
    traceback.print_exception(type(error), error, trace, chain=trace is not None, file=sys.stderr)


def print_ending(ending: Ending, *, try_number: int, max_tries: int) -> None:
    """The log's last line, for an attempt that did not simply succeed."""
    if ending.kind is OutcomeKind.SKIPPED:
        print(f"Task skipped{': ' + ending.error if ending.error else ''}", file=sys.stderr)  # noqa: T201
    elif ending.kind is not OutcomeKind.SUCCESS:
        final = ", no further try" if ending.kind is OutcomeKind.FAILED_FOR_GOOD else f" of {max_tries + 1}"
        print(f"Task failed (try {try_number}{final}): {ending.error}", file=sys.stderr)  # noqa: T201


def _line(text: str) -> str:
    first = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return first if len(first) <= _ERROR_LENGTH_MAX else first[: _ERROR_LENGTH_MAX - 1] + "…"


def _authors_part(trace: TracebackType | None) -> TracebackType | None:
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith((_PACKAGE, "<frozen importlib")):
        trace = trace.tb_next
    return trace


def _without_worker(trace: TracebackType | None) -> TracebackType | None:
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith(_EXECUTION):
        trace = trace.tb_next
    return trace


def _authors_place(trace: TracebackType | None) -> str:
    """``file.py:line`` of the innermost frame that is neither ours nor a library's."""
    place = ""
    while trace is not None:
        path = trace.tb_frame.f_code.co_filename
        is_library = "site-packages" in path or path.startswith((_PACKAGE, sys.base_prefix + os.sep, "<"))
        if not is_library:
            place = f"{os.path.basename(path)}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place
