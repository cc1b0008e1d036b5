"""``skyray demo``: a deployment of its own, the examples to their end, a report, and nothing left behind."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import skyray
from skyray.cli.expectations import FILE, Expectations, ExpectedRun, read_expectations
from skyray.cli.options import home_option, option_value, output_option
from skyray.cli.output import dump, table
from skyray.cli.render_runs import RunBoard, seconds_of
from skyray.cli.up import interruptible, say
from skyray.errors import ClusterUnreachableError, ConflictError, InvalidInputError, NotFoundError
from skyray.settings import Settings

if TYPE_CHECKING:
    from skyray.api.client import Client

_REAP_SECONDS = 3.0
_COLUMNS = ("dag_id", "conf", "state", "task_instances", "duration", "as_expected")


@click.command("demo")
@home_option
@click.option("--examples", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Folder of examples.")
@click.option("--timeout", type=float, default=300.0, show_default=True, help="Seconds for all runs together.")
@output_option
@click.pass_context
def command(context: click.Context, examples: Path | None, timeout: float) -> None:
    """Run the examples to their end, on a local Ray and an embedded Postgres of their own, and report.

    Exits with 0 only if every run ended as its example's author expects (expected.toml beside the examples). Whatever
    happens, everything that was started is stopped; without --home its files go too.
    """
    from skyray.actors import deployment, processes
    from skyray.actors.local_ray import LocalRayOptions

    folder = _find_examples(examples)
    expected = read_expectations(folder)
    given = option_value(context, "home")
    home = Path(given).expanduser().absolute() if given else Path(tempfile.mkdtemp(prefix="skyray-demo-"))
    if (home / "deployment.json").exists():
        raise ConflictError(f"a deployment runs in {home}", hint=f"`skyray down --home {home}`, or another --home")
    settings = Settings(home=str(home), api_address="127.0.0.1:0")
    began = time.monotonic()
    processes.adopt_orphans()
    with interruptible():
        try:
            # Logical GPU and licences: the examples ask for them, and Ray only counts.
            gpus = None if Path("/dev/nvidia0").exists() else 1
            found, _ = deployment.up(settings, LocalRayOptions(num_gpus=gpus, resources={"licence": 2}), say=say)
            rows, faults = _run_all(found.api_address, settings, folder, expected, timeout)
        finally:
            say("stopping")
            deployment.down(home, say=lambda line: None)
            processes.reap(_REAP_SECONDS)
            if not given:
                deployment.remove(home)
    if not dump(context, {"runs": rows, "faults": faults, "seconds": round(time.monotonic() - began, 2)}):
        click.echo(table(rows, _COLUMNS))
        for run in expected.runs:
            if run.note:
                click.echo(f"Note: {run.dag_id}: {run.note}.")
        for fault in faults:
            click.echo(f"{click.style('not as expected', fg='red')}: {fault}")
        click.echo(f"{len(rows)} runs in {time.monotonic() - began:.1f} s, start and stop included.")
    if faults:
        context.exit(1)


def _find_examples(given: Path | None) -> Path:
    """The folder of examples: as given, or ./examples, or that of the source tree that we run from."""
    source_tree = Path(skyray.__file__).resolve().parents[2] / "examples"
    candidates = [given] if given else [Path("examples"), source_tree]
    for folder in candidates:
        if (folder / FILE).is_file():
            return folder.resolve()
    raise NotFoundError(
        f"no examples with an {FILE} in {' or '.join(map(str, candidates))}",
        hint="run this in a clone of Skyray's repository, or give --examples DIR",
    )


def _run_all(
    address: str, settings: Settings, folder: Path, expected: Expectations, timeout: float
) -> tuple[list[dict[str, Any]], list[str]]:
    """Submit the folder, trigger every expected run, show them until they have ended. Rows of a table, and faults."""
    from skyray.api.client import Client
    from skyray.parsing.bundle import pack

    with Client(address, token=settings.token_path.read_text().strip()) as client:
        for name, slots in expected.pools.items():
            client.set_pool(name, slots)
        bundle = pack(folder, max_bytes=settings.bundle_max_bytes)
        report = client.submit_bundle(bundle.name, bundle.content)
        faults = [f"{error.path}:{error.line}: {error.message}" for error in report.import_errors]
        dag_ids = [dag.dag_id for dag in report.dags]
        faults += expected.faults(dag_ids)
        say(f"{len(dag_ids)} DAGs submitted from {folder}")
        runs = [run for run in expected.runs if run.dag_id in dag_ids]
        if not runs:
            raise InvalidInputError(f"no example could be submitted: {'; '.join(faults)}")
        return _watch(client, runs, timeout, faults)


def _watch(
    client: Client, runs: list[ExpectedRun], timeout: float, faults: list[str]
) -> tuple[list[dict[str, Any]], list[str]]:
    from skyray.api.display import to_dict

    triggered = {}
    for run in runs:
        made = client.trigger_dag(run.dag_id, conf=dict(run.conf), logical_date=run.logical_date, note="skyray demo")
        triggered[made.dag_id, made.run_id] = run
    board = RunBoard(list(triggered), {key: _label(run) for key, run in triggered.items()})
    try:
        for change in client.watch_runs(triggered, include_task_instances=True, timeout_seconds=timeout):
            kind = change.WhichOneof("change")
            assert kind is not None, "a change says what changed"
            board.update(kind, to_dict(getattr(change, kind)))
    except ClusterUnreachableError as error:
        faults.append(f"not all runs ended within {timeout:g} s: {error.message}")
    board.draw()
    rows = []
    for key, run in triggered.items():
        ended = to_dict(client.get_run(*key))
        tasks = [to_dict(task) for task in client.list_task_instances(*key)]
        wrong = run.faults(ended["state"], tasks)
        faults += [f"{_label(run)}: {fault}" for fault in wrong]
        rows.append(
            {
                "dag_id": run.dag_id,
                "run_id": key[1],
                "conf": dict(run.conf),
                "state": ended["state"],
                "task_instances": len(tasks),
                "duration": seconds_of(ended),
                "as_expected": not wrong,
            }
        )
    return rows, faults


def _label(run: ExpectedRun) -> str:
    return run.dag_id + "".join(f" {name}={value}" for name, value in run.conf.items())
