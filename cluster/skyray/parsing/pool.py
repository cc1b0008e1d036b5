"""Parse DAG files in child processes: so many at once, each for so long, and whatever happens there gives a result.

Used by the DagProcessor (through incremental.py). Nothing of an author is imported in this process.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import re
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from skyray.core.model import DagSpec
from skyray.core.parsed import ParseError
from skyray.parsing.request import RESULT_MAX_BYTES, ParseRequest
from skyray.parsing.warm import Ended, NurseryDiedError, WarmNursery

QUICK_SECONDS = 3.0
_OUR_FRAMES = re.compile(r'^  File "(<frozen importlib|<string>|[^"]*/skyray/parsing/)[^\n]*\n?', re.MULTILINE)


@dataclass(frozen=True)
class FileResult:
    """What importing one file gave.

    ``imports``: the bundle's files that were imported, this one among them; None where that is not known, since the
    import failed and might come to another end with any other file.
    """

    path: str
    specs: tuple[DagSpec, ...]
    errors: tuple[ParseError, ...]
    imports: tuple[str, ...] | None
    duration_seconds: float
    pool_lines: tuple[Mapping[str, int], ...] = ()  # one for each spec: see ParsedDag


class ParserPool:
    """Parses files; ``await close()`` when done.

    ``processes`` files at a time, each in a child with at most ``memory_bytes``, for at most ``timeout_seconds``. One
    that takes longer than ``QUICK_SECONDS`` begins again in a second line, with as many places: so files that hang do
    not keep others from being imported.

    Children leave their results in ``folder``, which nobody else writes to. The ``default_…`` are the deployment's, for
    authors who say nothing.
    """

    def __init__(
        self,
        *,
        folder: Path,
        processes: int,
        timeout_seconds: float,
        memory_bytes: int,
        default_retries: int = 0,
        default_timezone: str = "UTC",
    ) -> None:
        self._timeout_seconds = timeout_seconds
        self._memory_bytes = memory_bytes
        self._default_retries = default_retries
        self._default_timezone = default_timezone
        self._quick_line = asyncio.Semaphore(processes)
        self._slow_line = asyncio.Semaphore(processes)
        self._slow_paths: set[str] = set()
        self._starting = asyncio.Lock()
        self._shared = WarmNursery()
        self._numbers = itertools.count(1)
        self._folder = folder

    async def start(self) -> None:
        """Warm up, so that the first file does not have to wait for it. Optional."""
        await self._nursery()

    async def parse(self, root: Path, path: str, digest: str) -> FileResult:
        """Import ``root/path`` of the unpacked bundle ``digest`` in a child process.

        Whatever goes wrong in the child is in the result. Raises ``NurseryDiedError`` only if no child can be started.
        """
        if path not in self._slow_paths:
            async with self._quick_line:
                result = await self._parse(root, path, digest, min(QUICK_SECONDS, self._timeout_seconds))
            if result is not None:
                return result
            self._slow_paths.add(path)
        async with self._slow_line:
            result = await self._parse(root, path, digest, self._timeout_seconds)
            assert result is not None, "only the first line ends without a result"
        if result.duration_seconds < QUICK_SECONDS:
            self._slow_paths.discard(path)
        return result

    async def _parse(self, root: Path, path: str, digest: str, timeout_seconds: float) -> FileResult | None:
        """One import. None if the time was up, but would not be in the second line."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        began = time.monotonic()
        request = ParseRequest(
            root=str(root),
            path=path,
            digest=digest,
            result=str(self._folder / f"{next(self._numbers)}.json"),
            memory_bytes=self._memory_bytes,
            default_retries=self._default_retries,
            default_timezone=self._default_timezone,
        )
        try:
            try:
                ended = await (await self._nursery()).run(request, timeout_seconds)
            except NurseryDiedError:
                ended = await self._run_alone(request, timeout_seconds)
            if ended.timed_out and timeout_seconds < self._timeout_seconds:
                return None
            return await asyncio.to_thread(_conclude, request, ended, timeout_seconds, began)
        finally:
            for leftover in (request.result, request.result + ".part"):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(leftover)

    async def close(self) -> None:
        """End every process. Parses under way fail with ``NurseryDiedError``."""
        await self._shared.close()

    async def _nursery(self) -> WarmNursery:
        async with self._starting:
            if not self._shared.is_alive:
                await self._shared.close()
                self._shared = WarmNursery()
                await self._shared.start()
            return self._shared

    async def _run_alone(self, request: ParseRequest, timeout_seconds: float) -> Ended:
        """Again, in a nursery that no other file shares: if that one dies as well, this file is what killed it."""
        alone = WarmNursery()
        await alone.start()
        try:
            return await alone.run(request, timeout_seconds)
        except NurseryDiedError:
            return Ended(None, False, "killed or stopped the parser's own process while importing")
        finally:
            await alone.close()


def _conclude(request: ParseRequest, ended: Ended, timeout_seconds: float, began: float) -> FileResult:
    """The child's result file if it finished; else an error that says how it ended."""
    found = None
    if ended.status == 0 and not ended.timed_out:
        found = _read(request)
    if isinstance(found, FileResult):
        return replace(found, duration_seconds=time.monotonic() - began)
    message = found or _how_it_ended(ended, timeout_seconds)
    output = _OUR_FRAMES.sub("", ended.output.replace(request.root + os.sep, "")).strip()
    # faulthandler names the innermost frame first.
    line = re.search(rf'File "{re.escape(request.path)}", line (\d+)', output)
    # Not None as after an exception: a file that hangs shall not do so again at every edit of another.
    imports = tuple({request.path, *re.findall(r'^  File "([^"]+)"', output, re.MULTILINE)})
    error = ParseError(request.path, None, int(line[1]) if line else None, message, output)
    return FileResult(request.path, (), (error,), imports, time.monotonic() - began)


def _read(request: ParseRequest) -> FileResult | str | None:
    """The result; or why it is none; or None where there is none."""
    try:
        if os.path.getsize(request.result) > RESULT_MAX_BYTES:
            return f"its result is larger than {RESULT_MAX_BYTES} bytes"
        data: dict[str, Any] = json.loads(Path(request.result).read_bytes())
        specs = tuple(DagSpec.from_json(each) for each in data["dags"])
        errors = tuple(ParseError(**{**each, "path": request.path}) for each in data["errors"])
        imports = None if any(each.dag_id is None for each in errors) else tuple(map(str, data["imports"]))
        pool_lines = tuple({str(pool): int(line) for pool, line in each.items()} for each in data["pool_lines"])
        return FileResult(request.path, specs, errors, imports, 0.0, pool_lines)
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        return f"its result cannot be read: {type(error).__name__}: {error}"


def _how_it_ended(ended: Ended, timeout_seconds: float) -> str:
    if ended.timed_out:
        return f"did not finish importing within {timeout_seconds:g} s (parse_timeout_seconds)"
    if ended.status is None:
        return ended.output
    if os.WIFSIGNALED(ended.status):
        number = os.WTERMSIG(ended.status)
        name = signal.Signals(number).name if number in set(signal.Signals) else "real-time"
        hint = ": the machine may have run out of memory" if number == signal.SIGKILL else ""
        return f"killed by signal {number} ({name}) while importing{hint}"
    return f"exited with status {os.WEXITSTATUS(ended.status)} while importing"
