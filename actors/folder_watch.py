"""Notices that a folder has changed: at once where the system tells (inotify), else within seconds by looking.

Knows nothing of DAGs. Used by the DagProcessor. A folder that does not exist (yet) is waited for.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from pathlib import Path

from watchfiles import awatch

from skyray.errors import SkyrayError
from skyray.parsing.bundle import signature

DEBOUNCE_MS = 40
STEP_MS = 10
SETTLE_SECONDS = 0.03
SETTLE_LOOKS_MAX = 30  # a folder in which something is written all the time is taken as it is
LOOK_SECONDS = 5.0  # network file systems, links that are pointed elsewhere (git-sync), overflowing queues
_LOOK_SHARE = 50  # looking takes at most a fiftieth of the time


class FolderWatch:
    """``run`` it in a task, and ``await wait_for_change()``: the first call returns at once."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._changed = asyncio.Event()
        self._changed.set()
        self._seen = ""

    async def wait_for_change(self) -> None:
        """Return once the folder may differ from what it was at the last return, and has come to rest.

        Whoever writes a file empties it first: for a moment its DAGs are not there, and nobody shall see that.
        """
        await self._changed.wait()
        for _ in range(SETTLE_LOOKS_MAX):
            self._changed.clear()
            await asyncio.sleep(SETTLE_SECONDS)
            await self._look()
            if not self._changed.is_set():
                break
        self._changed.clear()

    def look_again(self) -> None:
        """Have the next ``wait_for_change`` return at once."""
        self._changed.set()

    async def run(self) -> None:
        """Watch until cancelled, or until the folder goes away: then it is to be called again."""
        began = time.monotonic()
        await self._look()
        pause = max(LOOK_SECONDS, _LOOK_SHARE * (time.monotonic() - began))
        if not self.path.exists():
            await asyncio.sleep(1.0)
            return
        changes = awatch(
            self.path,
            watch_filter=None,
            debounce=DEBOUNCE_MS,
            step=STEP_MS,
            rust_timeout=round(pause * 1000),
            yield_on_timeout=True,
        )
        async with contextlib.aclosing(changes):
            async for _ in changes:
                await self._look()
                if not self.path.exists():
                    return

    async def _look(self) -> None:
        """Compare sizes and times with the last look: what is not packed (caches, editors' files) is no change."""
        try:
            seen = await asyncio.to_thread(signature, self.path)
        except (SkyrayError, OSError) as error:
            seen = f"error: {error}"
        if seen != self._seen:
            self._seen = seen
            self._changed.set()
