"""Ignore files in gitignore's syntax: ``.skyrayignore`` (not packed) and ``.airflowignore`` (not parsed for DAGs).

Last match wins, ``!`` takes back, a pattern with a slash is anchored to its file's folder, one that ends in a slash
means folders. Standard library only; used by bundle.py and pool.py.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from skyray.errors import InvalidInputError


@dataclass(frozen=True)
class IgnoreRules:
    """The patterns of one ignore file. ``folder`` is where it lies: empty, or a path that ends in a slash."""

    folder: str
    patterns: tuple[tuple[re.Pattern[str], bool, bool], ...]  # (pattern, folders only, ignores or takes back)

    def verdict(self, path: str, *, is_folder: bool) -> bool | None:
        """True: ignored; False: taken back; None: this file says nothing about ``path``."""
        if not path.startswith(self.folder):
            return None
        inside = path[len(self.folder) :]
        for pattern, folders_only, ignores in reversed(self.patterns):
            if (is_folder or not folders_only) and pattern.fullmatch(inside):
                return ignores
        return None


def read_rules(file: Path, folder: str) -> list[IgnoreRules]:
    """The rules of an ignore file as a list of one, or an empty list where there is no such file."""
    try:
        text = file.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return []
    except (UnicodeDecodeError, IsADirectoryError) as error:
        raise InvalidInputError(f"{folder}{file.name} cannot be read: {error}") from None
    return [parse_rules(text, folder)]


def parse_rules(text: str, folder: str = "") -> IgnoreRules:
    """The rules of an ignore file's text."""
    patterns = []
    for raw in text.splitlines():
        line = raw.rstrip()
        if not line or line.startswith("#"):
            continue
        ignores = not line.startswith("!")
        line = line if ignores else line[1:]
        folders_only = line.endswith("/")
        patterns.append((_translate(line.rstrip("/")), folders_only, ignores))
    return IgnoreRules(folder, tuple(patterns))


def any_ignores(rules: list[IgnoreRules], path: str, *, is_folder: bool) -> bool:
    """What the innermost ignore file that has a word on a path says. ``rules``: from the outermost folder inwards."""
    verdicts = [verdict for each in rules if (verdict := each.verdict(path, is_folder=is_folder)) is not None]
    return bool(verdicts) and verdicts[-1]


def is_ignored(rules: list[IgnoreRules], path: str) -> bool:
    """Whether a file, or one of the folders above it, is ignored."""
    parts = path.split("/")
    return any(
        any_ignores(rules, "/".join(parts[:depth]), is_folder=depth < len(parts)) for depth in range(1, len(parts) + 1)
    )


def _translate(pattern: str) -> re.Pattern[str]:
    anchored = "/" in pattern
    pattern = pattern.lstrip("/")
    out, at = "" if anchored else "(?:.*/)?", 0
    while at < len(pattern):
        if pattern.startswith("**/", at) and (at == 0 or pattern[at - 1] == "/"):
            out, at = out + "(?:.*/)?", at + 3
        elif pattern.startswith("**", at):
            out, at = out + ".*", at + 2
        elif pattern[at] == "*":
            out, at = out + "[^/]*", at + 1
        elif pattern[at] == "?":
            out, at = out + "[^/]", at + 1
        elif pattern[at] == "[" and (end := pattern.find("]", at + 2)) > 0:
            inside = pattern[at + 1 : end].replace("\\", "\\\\").replace("[", "\\[")
            out, at = out + f"[{'^' + inside[1:] if inside[0] in '!^' else inside}]", end + 1
        elif pattern[at] == "\\" and at + 1 < len(pattern):
            out, at = out + re.escape(pattern[at + 1]), at + 2
        else:
            out, at = out + re.escape(pattern[at]), at + 1
    try:
        return re.compile(out)
    except re.error as error:
        raise InvalidInputError(f"{pattern!r} in an ignore file is not a pattern: {error}") from None
