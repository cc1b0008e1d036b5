"""Import one DAG file in a process of its own and write down what came of it. Everything here runs after the fork.

The process (forked by nursery.py) has a session, limits and output of its own, and no secrets. Whatever the file does –
exit, hang, eat memory, close descriptors, replace modules – ends with this process. The result goes to a file that is
opened only after the author's code is done, so nothing that this code writes to any descriptor can get into it.
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import io
import json
import os
import resource
import signal
import sys
from dataclasses import asdict
from pathlib import Path
from types import ModuleType
from typing import Any

from skyray.core.parsed import ParseError
from skyray.parsing.blame import describe, innermost_line
from skyray.parsing.isolation import BUNDLES
from skyray.parsing.loader import load_dags
from skyray.parsing.request import RESULT_MAX_BYTES, ParseRequest
from skyray.sdk.defaults import Defaults, use_defaults
from skyray.sdk.serialize import dag_to_spec

_RESERVE_BYTES = 256 << 20  # for writing the result after the file has used up its memory
_PR_SET_PDEATHSIG = 1


def run(request: ParseRequest, output: int, parent: int) -> None:
    """Never returns. ``output`` becomes standard output and error; ``parent`` is the process that forked this one."""
    status = 70
    try:
        _isolate(output, parent)
        _limit_memory(request.memory_bytes)
        found = _parse(request)
        _limit_memory(request.memory_bytes + _RESERVE_BYTES)
        _write(request.result, found)
        status = 0
    except BaseException:  # noqa: BLE001 - the pool reports the status; the reason goes to the captured output
        with contextlib.suppress(BaseException):
            sys.excepthook(*sys.exc_info())
    finally:
        # Not sys.exit: threads that the file left behind, its atexit hooks and its buffers must not hold us up.
        os._exit(status)


def _isolate(output: int, parent: int) -> None:
    os.setsid()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before prctl could take note
        os._exit(0)
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(source, target)
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2:
            with contextlib.suppress(OSError):
                os.close(int(name))
    sys.stdin, sys.stdout, sys.stderr = _text(0, "rb"), _text(1, "wb"), _text(2, "wb")
    dump = os.dup(2)
    faulthandler.enable(dump)
    faulthandler.register(signal.SIGUSR1, dump, all_threads=False)


def _text(descriptor: int, mode: str) -> io.TextIOWrapper:
    raw = open(descriptor, mode, closefd=False)  # noqa: SIM115 - as long as the process
    return io.TextIOWrapper(raw, encoding="utf-8", errors="backslashreplace", line_buffering=True)


def _limit_memory(limit_bytes: int) -> None:
    """RLIMIT_DATA counts what is private and writable, so what the file really allocates. RLIMIT_AS would also count
    the address space that numpy, jemalloc, CUDA and thread arenas merely reserve: tens of GB that cost nothing."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if hard == resource.RLIM_INFINITY:
        hard = limit_bytes + _RESERVE_BYTES
    resource.setrlimit(resource.RLIMIT_DATA, (min(limit_bytes, hard), hard))


def _parse(request: ParseRequest) -> dict[str, Any]:
    before = dict(sys.modules)
    imported: dict[str, ModuleType] = {}
    file = str(Path(request.root, request.path))
    found: dict[str, Any] = {"dags": [], "pool_lines": [], "errors": [], "imports": []}

    def blame(error: BaseException, dag_id: str | None, line: int | None) -> None:
        parse_error = describe(error, root=request.root, path=request.path, dag_id=dag_id, memory=request.memory_bytes)
        found["errors"].append({**asdict(parse_error), "line": innermost_line(error, file) or line})

    with use_defaults(Defaults(retries=request.default_retries, timezone=request.default_timezone)):
        try:
            dags = load_dags(Path(request.root), request.path, digest=request.digest)
        except BaseException as error:  # noqa: BLE001 - also SystemExit and whatever else the file raises
            blame(error, None, None)
            dags = []
        imported = BUNDLES.modules()
        sys.modules.update(before)  # a file may have emptied or faked it
        found["imports"] = _bundle_files(imported, request.root)
        lines: dict[str, list[int | None]] = {}
        for dag in dags:
            lines.setdefault(dag.dag_id, []).append(dag.lineno if dag.fileloc == file else None)
        for dag in dags:
            if len(lines[dag.dag_id]) > 1:
                continue
            try:
                found["dags"].append(dag_to_spec(dag, relative_path=request.path).to_json())
                found["pool_lines"].append(_pool_lines(dag, file))
            except BaseException as error:  # noqa: BLE001 - one bad DAG does not hide its neighbours
                blame(error, dag.dag_id, lines[dag.dag_id][0])
    found["errors"] += [asdict(_twice(request.path, each, at)) for each, at in lines.items() if len(at) > 1]
    return found


def _pool_lines(dag: Any, file: str) -> dict[str, int]:
    """Pool -> the first line of the file that makes a task in it."""
    found: dict[str, int] = {}
    for task in dag.tasks:
        if task.fileloc == file:
            found.setdefault(task.pool, task.lineno)
    return found


def _twice(path: str, dag_id: str, lines: list[int | None]) -> ParseError:
    places = " and ".join(f"line {line}" if line else "another file's code" for line in lines)
    message = f"DagDefinitionError: dag_id {dag_id!r} is defined more than once in this file: {places}"
    return ParseError(path, dag_id, lines[-1], message, "")


def _bundle_files(modules: dict[str, ModuleType], root: str) -> list[str]:
    files = {getattr(module, "__file__", None) for module in modules.values()}
    return sorted(os.path.relpath(file, root) for file in files if isinstance(file, str))


def _write(result: str, found: dict[str, Any]) -> None:
    data = json.dumps(found).encode()
    if len(data) > RESULT_MAX_BYTES:
        message = (
            f"the file's {len(found['dags'])} DAGs take {len(data)} bytes when serialized; "
            f"at most {RESULT_MAX_BYTES} are accepted: spread them over several files"
        )
        found = {
            "dags": [],
            "pool_lines": [],
            "errors": [asdict(ParseError("", None, None, message, ""))],
            "imports": found["imports"],
        }
        data = json.dumps(found).encode()
    with open(result + ".part", "wb") as stream:
        stream.write(data)
    os.rename(result + ".part", result)
