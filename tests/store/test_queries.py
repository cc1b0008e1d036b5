"""Every statement in queries/ fits the schema, is one statement, and names a type for each parameter."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from skyray.store.engine import PgConnection, connect
from skyray.store.statements import FOLDER, statement

NAMES = sorted(path.stem for path in FOLDER.glob("*.sql"))


@pytest.fixture
def connection(url: str) -> Iterator[PgConnection]:
    made = connect(url)
    yield made
    made.close()


def test_every_statement_can_be_prepared(connection: PgConnection) -> None:
    faults = []
    for name in NAMES:
        text = re.sub(r"--[^\n]*", "", statement(name))
        prepared = text
        for place, parameter in enumerate(dict.fromkeys(re.findall(r"%\(\w+\)s", text)), 1):
            prepared = prepared.replace(parameter, f"${place}")
        untyped = re.findall(r"\$\d+(?!\d|::)", prepared)
        with connection.cursor() as cursor:
            try:
                assert not untyped, f"parameters without a type: {untyped}"
                assert ";" not in text, "more than one statement"
                cursor.execute(f"PREPARE q_{name} AS {prepared}")
            except Exception as error:  # noqa: BLE001
                faults.append(f"{name}: {error}")
    assert not faults, "\n".join(faults)


def test_every_statement_is_used() -> None:
    code = "\n".join(path.read_text() for path in FOLDER.parent.glob("*.py"))
    assert [name for name in NAMES if f'"{name}"' not in code] == []
