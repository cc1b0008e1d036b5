"""What the database knows about a command when its leader picks it up: attached before the core sees it.

Called by writer.py. A dag_changed gets the DAG and its live version; a trigger_run gets told of a run of the same
identity that has ended, which the core no longer knows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timezone

from psycopg2.extensions import cursor as Cursor

from skyray.core.events import Command
from skyray.core.model import DagRecord, DagSpec, DagVersion
from skyray.store.arrays import moments, numbers, texts
from skyray.store.statements import statement


def attach_facts(
    cursor: Cursor, commands: Sequence[Command]
) -> tuple[list[Command], dict[int, tuple[tuple[str, int], int]]]:
    """The commands, completed; and by command id the (DAG, version) and edition that were attached."""
    changed = [each for each in commands if each.kind == "dag_changed"]
    triggers = [each for each in commands if each.kind == "trigger_run"]
    versions = _live_versions(cursor, changed) if changed else {}
    taken = _taken_identities(cursor, triggers) if triggers else {}
    complete: list[Command] = []
    editions: dict[int, tuple[tuple[str, int], int]] = {}
    for each in commands:
        if each.kind == "dag_changed" and each.payload["dag_id"] in versions:
            dag, version, edition = versions[each.payload["dag_id"]]
            # A record is mutable, and each command's is its own.
            each = replace(each, dag=replace(dag), version=version)
            editions[each.command_id] = (version.dag_id, version.version), edition
        elif each.command_id in taken:
            each = replace(each, payload={**each.payload, "_exists": taken[each.command_id]})
        complete.append(each)
    return complete, editions


def _live_versions(cursor: Cursor, commands: Sequence[Command]) -> dict[str, tuple[DagRecord, DagVersion, int]]:
    dag_ids = sorted({each.payload["dag_id"] for each in commands})
    cursor.execute(statement("live_versions"), {"dag_id": texts(dag_ids)})
    found = {}
    for *dag, edition, spec, digest in cursor:
        record = DagRecord(*dag)
        version = DagVersion(record.dag_id, record.version, DagSpec.from_json(spec), digest)
        found[record.dag_id] = record, version, edition
    return found


def _taken_identities(cursor: Cursor, commands: Sequence[Command]) -> dict[int, str]:
    payloads = [each.payload for each in commands]
    values = {
        "place": numbers(range(len(payloads))),
        "dag_id": texts([each["dag_id"] for each in payloads]),
        "run_id": texts([each.get("run_id") for each in payloads]),
        "logical_date": moments([_moment(each.get("logical_date")) for each in payloads]),
    }
    cursor.execute(statement("taken_run_identities"), values)
    taken = {}
    for place, by_run_id, by_date in cursor:
        if by_run_id or by_date:
            taken[commands[place].command_id] = "run_id" if by_run_id else "logical_date"
    return taken


def _moment(text: str | None) -> datetime | None:
    """A logical date as the core will read it; None where it will refuse it."""
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
