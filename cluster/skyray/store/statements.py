"""The SQL of the store: one statement a file in queries/, named as in ``statement("insert_runs")``.

Parameters are psycopg2's ``%(name)s``, each with its type beside it, so that a test can prepare every file.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent / "queries"


@cache
def statement(name: str) -> str:
    """The text of queries/``name``.sql, without a closing semicolon."""
    return (FOLDER / f"{name}.sql").read_text(encoding="utf-8").strip().rstrip(";")
