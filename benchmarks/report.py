"""One run of the benchmarks, as a table for people and as JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure

FORMAT = 1
_COLUMNS = ("", "Skyray", "raw Ray", "", "ratio", "which is")


@dataclass(frozen=True)
class Report:
    """``about``: machine, commit, versions; ``parameters``: of each benchmark; ``taken_at``: RFC 3339."""

    taken_at: str
    size: str
    about: dict[str, Any]
    parameters: dict[str, Any]
    figures: Sequence[Figure]

    def to_json(self) -> dict[str, Any]:
        """Everything, with every single measurement."""
        return {
            "format": FORMAT,
            "taken_at": self.taken_at,
            "size": self.size,
            **self.about,
            "parameters": self.parameters,
            "figures": [each.to_json() for each in self.figures],
        }

    def write(self, path: Path) -> None:
        """Write the JSON file, with the folders that it lies in."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(self.to_json(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")

    def table(self) -> str:
        """The table, under two lines about where it comes from."""
        return "\n".join([*self._heading(), "", *_aligned([_COLUMNS, *map(_row, self.figures)])])

    def _heading(self) -> list[str]:
        machine, versions = self.about["machine"], self.about["versions"]
        commit = (self.about["commit"] or "no commit")[:12]
        changed = " with uncommitted changes" if self.about["has_uncommitted_changes"] else ""
        load = machine["load_average"][0]
        return [
            f"Skyray {versions['skyray']} at {commit}{changed}, {self.size} parameters, {self.taken_at}",
            f"{machine['cpu']}, {machine['cpus']} CPUs, {machine['memory_gib']:g} GiB, {machine['kernel']}, "
            f"load {load:g} before; Python {versions['python']}, Ray {versions['ray']}",
        ]


def _row(figure: Figure) -> tuple[str, ...]:
    ratio = figure.ratio
    return (
        figure.title,
        _number(figure.skyray),
        _number(figure.raw_ray),
        figure.unit,
        "" if ratio is None else f"{ratio:.2f}" if ratio < 10 else f"{ratio:.0f}",
        "" if ratio is None else figure.ratio_says,
    )


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    right = {1, 2, 4}
    lines = []
    for row in rows:
        cells = (
            cell.rjust(width) if at in right else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        lines.append("  ".join(cells).rstrip())
    return lines
