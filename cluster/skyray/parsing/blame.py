"""From an exception in a DAG file to a ``ParseError``: the line, one sentence, and the author's part of the traceback.

Called in parser children only: formatting an exception runs the author's ``__str__`` and ``__repr__``.
"""

from __future__ import annotations

import os
import traceback

from skyray.core.parsed import ParseError
from skyray.errors import DagDefinitionError, SkyrayError

MESSAGE_MAX = 2_000
TRACEBACK_MAX = 50_000
_OWN = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


def describe(error: BaseException, *, root: str, path: str, dag_id: str | None, memory: int) -> ParseError:
    """What to tell about ``error``, raised while ``root/path`` was imported or one of its DAGs was serialized."""
    file = os.path.join(root, path)
    return ParseError(path, dag_id, innermost_line(error, file), _message(error, memory), _traceback(error, root))


def innermost_line(error: BaseException, file: str) -> int | None:
    """The line of ``file`` that is nearest to where ``error`` was raised, or that the error itself names."""
    if isinstance(error, SyntaxError) and error.filename == file:
        return error.lineno
    if isinstance(error, DagDefinitionError) and error.path == file and error.line is not None:
        return error.line
    line = None
    step = error.__traceback__
    while step is not None:
        if step.tb_frame.f_code.co_filename == file:
            line = step.tb_lineno
        step = step.tb_next
    return line


def _message(error: BaseException, memory: int) -> str:
    name = type(error).__name__
    try:
        text = " ".join(str(error).split())
    except BaseException:  # noqa: BLE001 - the author's __str__
        text = "(its text could not be made)"
    if isinstance(error, MemoryError):
        text = f"{text}; importing may take at most {memory} bytes (parse_memory_bytes)".removeprefix("; ")
    elif isinstance(error, SkyrayError) and error.hint:
        text = f"{text} ({error.hint})"
    elif isinstance(error, SystemExit):
        text = f"the file ended Python with exit code {text or None} while it was imported"
    return f"{name}: {text}"[:MESSAGE_MAX] if text else name


def _traceback(error: BaseException, root: str) -> str:
    try:
        shown = traceback.TracebackException.from_exception(error, compact=True)
        _trim(shown)
        text = "".join(shown.format())
    except BaseException:  # noqa: BLE001 - the author's __str__ or __repr__, or memory
        return ""
    text = text.replace(root + os.sep, "")
    if len(text) > TRACEBACK_MAX:
        text = text[: TRACEBACK_MAX // 2] + "\n…\n" + text[-TRACEBACK_MAX // 2 :]
    return text


def _trim(shown: traceback.TracebackException) -> None:
    """Take out our frames and the import system's: what is left is the author's code and the libraries it called."""
    waiting, seen = [shown], set()
    while waiting:
        each = waiting.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        kept = [frame for frame in each.stack if not frame.filename.startswith((_OWN, "<frozen importlib"))]
        each.stack[:] = kept
        waiting += [inner for inner in (each.__cause__, each.__context__) if inner is not None]
        waiting += getattr(each, "exceptions", None) or []
