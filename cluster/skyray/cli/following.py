"""Waiting for runs while telling what happens to them: ``dags trigger --wait`` and ``runs watch``."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import click

from skyray.cli.output import coloured, output_of
from skyray.errors import ClusterUnreachableError

if TYPE_CHECKING:
    from skyray.api.client import Client

Run = dict[str, Any]


def _say(name: str, state: str | None, error: str | None = None) -> None:
    clock = datetime.now(timezone.utc).strftime("%H:%M:%S")
    tail = f"  {error}" if error else ""
    click.echo(f"{clock}  {name}  {coloured(state or 'none')}{tail}", err=True)


def follow_runs(
    context: click.Context, client: Client, runs: list[Run], timeout_seconds: float | None
) -> tuple[list[Run], bool]:
    """Wait until the runs have ended, telling of every new state on standard error (table output only).

    Returns the runs as they were last seen, in the order given, and whether all of them ended in time.
    """
    from skyray.api.display import to_dict

    latest = {(run["dag_id"], run["run_id"]): run for run in runs}
    changes = client.watch_runs(list(latest), timeout_seconds=timeout_seconds)
    try:
        for change in changes:
            run = to_dict(change.run)
            key = run["dag_id"], run["run_id"]
            if output_of(context) == "table" and run["state"] != latest[key]["state"]:
                _say("  ".join(key), run["state"])
            latest[key] = run
    except ClusterUnreachableError:
        if timeout_seconds is None or not _is_reachable(client):
            raise
        return list(latest.values()), False
    return list(latest.values()), True


def _is_reachable(client: Client) -> bool:
    """Whether a stream that ended early ran out of its own time (the API answers still)."""
    try:
        next(client.list_runs(limit=1), None)
    except ClusterUnreachableError:
        return False
    return True


def watch_run(context: click.Context, client: Client, dag_id: str, run_id: str) -> str:
    """Tell of a run and its task instances until it has ended; its state then.

    One line a change, on standard output: text, or with ``-o json|yaml`` a JSON object (``run`` or ``task_instance``).
    """
    from skyray.api.display import to_dict

    told: dict[tuple[str, int], str] = {}
    state = ""
    for change in client.watch_runs([(dag_id, run_id)], include_task_instances=True):
        kind = change.WhichOneof("change")
        assert kind is not None, "a change says what changed"
        shown = to_dict(getattr(change, kind))
        if kind == "run":
            state = shown["state"]
        if output_of(context) != "table":
            click.echo(json.dumps({kind: shown}, ensure_ascii=False))
            continue
        key = (shown["task_id"], shown["map_index"]) if kind == "task_instance" else ("", -1)
        now = shown["state"] or "none"
        if told.get(key) == now or (kind == "task_instance" and key not in told and now == "none"):
            continue
        told[key] = now
        name = run_id if kind == "run" else shown["task_id"] + (f"[{key[1]}]" if key[1] >= 0 else "")
        tail = f"  {shown['error']}" if shown.get("error") else ""
        click.echo(f"{datetime.now(timezone.utc):%H:%M:%S}  {name}  {coloured(now)}{tail}")
    return state
