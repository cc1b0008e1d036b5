"""``skyray dags test FILE [DAG_ID]``: one run of one DAG in this process, with neither Ray nor server.

The run is execution.local's; here are finding the DAG and showing what happens. Standard input and output are the
tasks': a ``breakpoint()`` in one opens the debugger.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from skyray.cli.options import home_option, output_option, settings_of
from skyray.cli.output import coloured, dump, output_of
from skyray.cli.values import json_object, moment
from skyray.core.model import TaskInstance
from skyray.core.states import RunState, TaskState
from skyray.errors import InvalidInputError, NotFoundError, SkyrayError

if TYPE_CHECKING:
    from skyray.execution.local import LocalResult
    from skyray.sdk.dag import DAG

Echo = Callable[[str], None]
_SHOWN = frozenset(
    {
        *(TaskState.RUNNING, TaskState.SUCCESS, TaskState.FAILED, TaskState.SKIPPED),
        *(TaskState.UPSTREAM_FAILED, TaskState.UP_FOR_RETRY, TaskState.REMOVED),
    }
)


class DagFileError(SkyrayError):
    """The file raised something while it was imported."""


@click.command("test")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("dag_id", required=False)
@click.option("--conf", type=json_object, metavar="JSON", default="{}", help="The run's conf, a JSON object.")
@click.option(
    "--logical-date",
    type=moment,
    metavar="TIME",
    help="The run's logical date (default: now if the DAG has a schedule, else none).",
)
@home_option
@output_option
@click.pass_context
def command(context: click.Context, file: Path, dag_id: str | None, conf: str, logical_date: datetime | None) -> None:
    """Run one DAG of FILE in this process, with neither Ray nor server.

    Task after task, with the retries and results of the cluster; `breakpoint()` works. DAG_ID may be left out where the
    file defines one DAG. Exits with 1 if the run failed.
    """
    dags_dir = settings_of(context).dags_dir
    is_for_people = output_of(context) == "table"
    with contextlib.nullcontext() if is_for_people else _standard_output_on_standard_error():
        result = run_dag_test(
            file,
            dag_id,
            conf=json.loads(conf),
            logical_date=logical_date,
            dags_dir=Path(dags_dir) if dags_dir else None,
            echo=_echo,
        )
    if not is_for_people:
        dump(context, _to_dict(result))
    if result.run.state is not RunState.SUCCESS:
        context.exit(1)


def run_dag_test(
    file: Path,
    dag_id: str | None = None,
    *,
    conf: dict[str, Any] | None = None,
    logical_date: datetime | None = None,
    dags_dir: Path | None = None,
    echo: Echo = click.echo,
) -> LocalResult:
    """Import ``file`` and make one run of its DAG here, telling ``echo`` line by line how it goes.

    Imports are looked up in ``dags_dir`` if the file is in it, else in the file's folder. Raises ``NotFoundError`` for
    a DAG that the file does not define, ``InvalidInputError`` where it cannot be told which, and ``DagFileError``, once
    the traceback is printed, for a file that cannot be imported.
    """
    from skyray.execution.local import LocalRun
    from skyray.execution.log_capture import configure_logging
    from skyray.parsing.loader import bundle_modules

    configure_logging()
    file = file.absolute()
    root = dags_dir.absolute() if dags_dir and file.is_relative_to(dags_dir.absolute()) else file.parent
    relative_path = file.relative_to(root).as_posix()
    with bundle_modules(root, "local"):
        dag = _chosen(_load(root, relative_path), dag_id, file)
        if logical_date is None and dag.timetable.to_spec().kind != "null":
            logical_date = datetime.now(timezone.utc).replace(microsecond=0)
        progress = _Lines(echo)
        started = time.monotonic()
        result = LocalRun(
            dag,
            folder=file.parent,
            relative_path=relative_path,
            conf=conf,
            logical_date=logical_date,
            progress=progress,
        ).run()
    state = result.run.state.value
    echo(f"{dag.dag_id} {result.run.run_id}: {coloured(state)} in {time.monotonic() - started:.1f} s")
    return result


def _load(root: Path, relative_path: str) -> list[DAG]:
    from skyray.execution.endings import print_error
    from skyray.parsing.loader import load_dags

    try:
        return load_dags(root, relative_path, digest="local")
    except (Exception, SystemExit) as error:
        print_error(error)
        raise DagFileError(f"{relative_path} cannot be imported: {type(error).__name__}") from error


def _chosen(dags: list[DAG], dag_id: str | None, file: Path) -> DAG:
    known = ", ".join(dag.dag_id for dag in dags)
    if not dags:
        raise InvalidInputError(f"{file.name} defines no DAG")
    if dag_id is None:
        if len(dags) > 1:
            raise InvalidInputError(f"{file.name} defines {len(dags)} DAGs; say which one", hint=f"DAG_ID: {known}")
        return dags[0]
    for dag in dags:
        if dag.dag_id == dag_id:
            return dag
    raise NotFoundError(f"{file.name} defines no DAG {dag_id!r}", hint=f"it defines {known}")


class _Lines:
    """A line for every state that tells something."""

    def __init__(self, echo: Echo) -> None:
        self._echo = echo

    def moved(self, ti: TaskInstance) -> None:
        """Say it."""
        if ti.state not in _SHOWN:
            return
        details = []
        if ti.try_number > 1 or ti.state is TaskState.UP_FOR_RETRY:
            details.append(f"try {ti.try_number} of {ti.max_tries + 1}")
        if ti.state is not TaskState.RUNNING and ti.pid and ti.start_date and ti.end_date:
            details.append(f"{ti.end_date - ti.start_date:.2f} s")
        if ti.error and ti.state is not TaskState.RUNNING:
            details.append(ti.error)
        shown = f" ({', '.join(details)})" if details else ""
        self._echo(f"{ti.task_id}: {coloured(ti.state.value)}{shown}")

    def waiting(self, seconds: float) -> None:
        """Say it."""
        self._echo(f"waiting {seconds:.0f} s for the next try" if seconds >= 1 else "waiting for the next try")


def _echo(line: str) -> None:
    """To standard output, before anything that a child process of the next task writes."""
    click.echo(line, color=False if os.environ.get("NO_COLOR") else None)
    sys.stdout.flush()


@contextlib.contextmanager
def _standard_output_on_standard_error() -> Iterator[None]:
    """What is asked for is one JSON or YAML document: everything else goes to standard error meanwhile."""
    sys.stdout.flush()
    saved = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(saved, 1)
        os.close(saved)


def _time(moment: datetime | float | None) -> str | None:
    if isinstance(moment, (int, float)):
        moment = datetime.fromtimestamp(moment, timezone.utc)
    return None if moment is None else moment.isoformat()


def _to_dict(result: LocalResult) -> dict[str, Any]:
    run = result.run
    return {
        "dag_id": run.dag_id,
        "run_id": run.run_id,
        "run_type": run.run_type.value,
        "state": run.state.value,
        "logical_date": _time(run.logical_date),
        "queued_at": _time(run.queued_at),
        "start_date": _time(run.start_date),
        "end_date": _time(run.end_date),
        "conf": run.conf,
        "tasks": [
            {
                "task_id": ti.task_id,
                "map_index": ti.map_index,
                "state": None if ti.state is TaskState.NONE else ti.state.value,
                "try_number": ti.try_number,
                "start_date": _time(ti.start_date),
                "end_date": _time(ti.end_date),
                "queued_at": _time(ti.queued_at),
                "pool": ti.pool,
                "error": ti.error,
            }
            for ti in result.task_instances
        ],
    }
