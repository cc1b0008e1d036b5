"""Where the DagProcessor unpacks bundles to parse them: a folder for each digest; those not used lately are removed."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

KEPT_MAX = 4


class Workspace:
    """A folder that belongs to this process alone: what an earlier one left there is removed.

    ``results`` is where parser children write.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self.results = self._folder / "results"
        self._uses: Counter[str] = Counter()
        self._order: list[str] = []
        shutil.rmtree(self._folder, ignore_errors=True)

    @contextmanager
    def use(self, digest: str) -> Iterator[Path]:
        """The folder of a bundle, which the caller unpacks if it is not there. It stays as long as it is in use."""
        self._uses[digest] += 1
        if digest in self._order:
            self._order.remove(digest)
        self._order.append(digest)
        try:
            yield self._folder / digest
        finally:
            self._uses[digest] -= 1
            self._sweep()

    def _sweep(self) -> None:
        idle = [digest for digest in self._order if not self._uses[digest]]
        for digest in idle[: max(0, len(self._order) - KEPT_MAX)]:
            self._order.remove(digest)
            shutil.rmtree(self._folder / digest, ignore_errors=True)
