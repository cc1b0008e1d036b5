"""``python -m docs.generate`` writes the generated pages; with ``--check`` it only says which are stale."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from docs.generate import admin_api, cli, configuration

REFERENCE = Path(__file__).parents[1] / "reference"
PAGES: dict[str, Callable[[], str]] = {
    "configuration.md": configuration.render,
    "cli.md": cli.render,
    "admin-api.md": admin_api.render,
}


def stale() -> list[str]:
    """The pages that are not what the code says now."""
    found = []
    for name, render in PAGES.items():
        path = REFERENCE / name
        if not path.is_file() or path.read_text(encoding="utf-8") != render():
            found.append(name)
    return found


def main() -> int:
    """Exit status 1 with ``--check`` if a page is stale."""
    names = stale()
    if "--check" in sys.argv[1:]:
        for name in names:
            print(f"docs/reference/{name} is stale: run `python -m docs.generate`")  # noqa: T201
        return 1 if names else 0
    for name in names:
        (REFERENCE / name).write_text(PAGES[name](), encoding="utf-8")
        print(f"docs/reference/{name}")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
