"""Runs while they progress: a table that is rewritten in place on a terminal, plain lines elsewhere.

Fed with the admin API's stream of changes. Called by demo.py.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import click

from skyray.cli.output import coloured

Key = tuple[str, str]
Fields = Mapping[str, Any]
_REDRAW_SECONDS = 0.1
_BAR_CHARACTERS = 24
_BAR = {
    "success": ("█", "green"),
    "skipped": ("▒", "magenta"),
    "failed": ("█", "red"),
    "upstream_failed": ("▒", "red"),
    "running": ("▓", "cyan"),
    "queued": ("░", "cyan"),
    "up_for_retry": ("▓", "yellow"),
}


class RunBoard:
    """The newest state of some runs and their task instances, and its picture. ``update`` as changes come in."""

    def __init__(self, keys: Sequence[Key], labels: Mapping[Key, str]) -> None:
        self._labels = labels
        self._runs: dict[Key, Fields] = {}
        self._tasks: dict[Key, dict[tuple[str, int], Fields]] = {key: {} for key in keys}
        self._lines = 0
        self._drawn_at = 0.0
        self._is_live = sys.stderr.isatty() and shutil.get_terminal_size().lines > len(keys) + 1

    def update(self, kind: str, fields: Fields) -> None:
        """Take in a change: ``kind`` is "run" or "task_instance"."""
        key = fields["dag_id"], fields["run_id"]
        if kind == "run":
            before = self._runs.get(key)
            self._runs[key] = fields
            if not self._is_live and (before is None or before["state"] != fields["state"]):
                click.echo(f"  {self._labels[key]}  {fields['state']}  {self._counts(key)}", err=True)
        else:
            self._tasks[key][fields["task_id"], fields["map_index"]] = fields
        if self._is_live and time.monotonic() - self._drawn_at > _REDRAW_SECONDS:
            self.draw()

    def draw(self) -> None:
        """Rewrite the table on the terminal. Nothing where there is none."""
        if not self._is_live:
            return
        width = shutil.get_terminal_size().columns - 1
        names = max(map(len, self._labels.values()))
        lines = []
        for key in self._tasks:
            run = self._runs.get(key)
            state = run["state"] if run else "queued"
            label = self._labels[key].ljust(names)[: max(width - 50, 10)]
            lines.append(f"  {label}  {coloured(state, state.ljust(8))}  {self._bar(key)}  {seconds_of(run):>7}")
        back = f"\x1b[{self._lines}A" if self._lines else ""
        click.echo(back + "\n".join(f"\x1b[2K{line}" for line in lines), err=True)
        self._lines, self._drawn_at = len(lines), time.monotonic()

    def run(self, key: Key) -> Fields | None:
        """The newest state of a run; None if none was told."""
        return self._runs.get(key)

    def tasks(self, key: Key) -> list[Fields]:
        """The newest states of a run's task instances."""
        return list(self._tasks[key].values())

    def _bar(self, key: Key) -> str:
        tasks = self.tasks(key)
        if not tasks:
            return " " * _BAR_CHARACTERS
        counts = Counter(task["state"] for task in tasks)
        bar, used, so_far = "", 0, 0
        for state, (character, colour) in _BAR.items():
            so_far += counts[state]
            length = round(_BAR_CHARACTERS * so_far / len(tasks)) - used
            bar += click.style(character * length, fg=colour) if length else ""
            used += length
        return bar + "·" * (_BAR_CHARACTERS - used)

    def _counts(self, key: Key) -> str:
        counts = Counter(task["state"] or "waiting" for task in self.tasks(key))
        return ", ".join(f"{count} {state}" for state, count in counts.items())


def seconds_of(run: Fields | None) -> str:
    """How long a run has taken, as far as it has come: ``1.25 s``."""
    if run is None or not run["start_date"]:
        return ""
    start = datetime.fromisoformat(run["start_date"])
    end = datetime.fromisoformat(run["end_date"]) if run["end_date"] else datetime.now(tz=start.tzinfo)
    return f"{max((end - start).total_seconds(), 0.0):.2f} s"
