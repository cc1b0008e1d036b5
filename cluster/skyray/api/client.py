"""The admin API's client: synchronous, typed, thin. Used by the command line and by tests.

    with Client("127.0.0.1:50051", token="…") as client:
        run = client.trigger_dag("hello", conf={"name": "Ray"})
        for change in client.watch_runs([(run.dag_id, run.run_id)]):
            print(change.run.state)

Every method raises a ``SkyrayError``; an API that cannot be reached is tried again for ``retry_seconds`` first.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from google.protobuf.message import Message

from skyray.admin.v1 import (
    cluster_pb2,
    cluster_pb2_grpc,
    dags_pb2,
    dags_pb2_grpc,
    pools_pb2,
    pools_pb2_grpc,
    runs_pb2,
    runs_pb2_grpc,
    tasks_pb2,
    tasks_pb2_grpc,
)
from skyray.api.channel import Channel

_PAGE_SIZE = 500
_CHUNK_BYTES = 512 << 10


class Client:
    """A client of one deployment. Lists are iterators that fetch page after page."""

    def __init__(
        self, address: str, *, token: str = "", timeout_seconds: float = 30.0, retry_seconds: float = 5.0
    ) -> None:
        self.address = address
        self._channel = Channel(address, token=token, timeout_seconds=timeout_seconds, retry_seconds=retry_seconds)
        self._dags = self._channel.stub(dags_pb2_grpc.DagServiceStub)
        self._runs = self._channel.stub(runs_pb2_grpc.RunServiceStub)
        self._tasks = self._channel.stub(tasks_pb2_grpc.TaskServiceStub)
        self._pools = self._channel.stub(pools_pb2_grpc.PoolServiceStub)
        self._cluster = self._channel.stub(cluster_pb2_grpc.ClusterServiceStub)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the connection back."""
        self._channel.close()

    def _pages(self, method: Callable[..., Any], request: Any, items: str, limit: int | None = None) -> Iterator[Any]:
        left = limit
        while left is None or left > 0:
            request.page_size = _PAGE_SIZE if left is None else min(left, _PAGE_SIZE)
            page: Any = self._channel.call(method, request, Message)
            found = getattr(page, items)
            yield from found
            left = None if left is None else left - len(found)
            request.page_token = page.next_page_token
            if not request.page_token:
                return

    # ------------------------------------------------------------------------------------------------------- DAGs
    def list_dags(self, *, include_retired: bool = False) -> Iterator[dags_pb2.Dag]:
        """Every DAG, by dag_id."""
        request = dags_pb2.ListDagsRequest(include_retired=include_retired)
        return self._pages(self._dags.ListDags, request, "dags")

    def get_dag(self, dag_id: str) -> dags_pb2.Dag:
        """One DAG, with its tasks."""
        request = dags_pb2.GetDagRequest(dag_id=dag_id)
        return self._channel.call(self._dags.GetDag, request, dags_pb2.GetDagResponse).dag

    def list_dag_versions(self, dag_id: str) -> Iterator[dags_pb2.DagVersion]:
        """The versions of a DAG, newest first."""
        request = dags_pb2.ListDagVersionsRequest(dag_id=dag_id)
        return self._pages(self._dags.ListDagVersions, request, "dag_versions")

    def submit_bundle(
        self, name: str, content: bytes, *, request_id: str = "", timeout_seconds: float = 300.0
    ) -> dags_pb2.SubmitBundleResponse:
        """Send a packed bundle (``skyray.parsing.bundle.pack``); returns when its DAGs are live or refused."""
        header = dags_pb2.BundleHeader(
            name=name,
            size_bytes=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
            request_id=request_id or new_request_id(),
        )

        def requests() -> Iterator[dags_pb2.SubmitBundleRequest]:
            yield dags_pb2.SubmitBundleRequest(header=header)
            for start in range(0, len(content), _CHUNK_BYTES):
                yield dags_pb2.SubmitBundleRequest(chunk=content[start : start + _CHUNK_BYTES])

        return self._channel.upload(self._dags.SubmitBundle, requests, dags_pb2.SubmitBundleResponse, timeout_seconds)

    def trigger_dag(
        self,
        dag_id: str,
        *,
        run_id: str = "",
        logical_date: datetime | None = None,
        conf: Mapping[str, Any] | str = "",
        note: str | None = None,
        request_id: str = "",
    ) -> runs_pb2.DagRun:
        """Make a run now. ``conf`` is a JSON object, or its text; ``logical_date`` is aware."""
        request = dags_pb2.TriggerDagRequest(
            dag_id=dag_id,
            run_id=run_id,
            conf=conf if isinstance(conf, str) else json.dumps(conf),
            note=note,
            request_id=request_id or new_request_id(),
        )
        if logical_date is not None:
            assert logical_date.tzinfo is not None, "a logical date has a time zone"
            request.logical_date.FromDatetime(logical_date)
        return self._channel.call(self._dags.TriggerDag, request, dags_pb2.TriggerDagResponse).run

    def pause_dag(self, dag_id: str) -> dags_pb2.Dag:
        """Stop new scheduled runs of a DAG."""
        request = dags_pb2.PauseDagRequest(dag_id=dag_id, request_id=new_request_id())
        return self._channel.call(self._dags.PauseDag, request, dags_pb2.PauseDagResponse).dag

    def unpause_dag(self, dag_id: str) -> dags_pb2.Dag:
        """Let a DAG's schedule make runs again."""
        request = dags_pb2.UnpauseDagRequest(dag_id=dag_id, request_id=new_request_id())
        return self._channel.call(self._dags.UnpauseDag, request, dags_pb2.UnpauseDagResponse).dag

    def delete_dag(self, dag_id: str) -> None:
        """Delete a DAG with all that is recorded of it; it comes back when its file is parsed next."""
        request = dags_pb2.DeleteDagRequest(dag_id=dag_id, request_id=new_request_id())
        self._channel.call(self._dags.DeleteDag, request, dags_pb2.DeleteDagResponse)

    def list_upcoming_runs(self, dag_id: str, count: int = 1) -> Iterator[dags_pb2.UpcomingRun]:
        """The next ``count`` scheduled runs of a DAG."""
        request = dags_pb2.ListUpcomingRunsRequest(dag_id=dag_id)
        return self._pages(self._dags.ListUpcomingRuns, request, "upcoming_runs", count)

    def list_import_errors(self) -> Iterator[dags_pb2.ImportError]:
        """Why files, or DAGs in them, are not live."""
        return self._pages(self._dags.ListImportErrors, dags_pb2.ListImportErrorsRequest(), "import_errors")

    # ------------------------------------------------------------------------------------------------------- runs
    def list_runs(
        self, dag_id: str = "", *, states: Sequence[str] = (), limit: int | None = None
    ) -> Iterator[runs_pb2.DagRun]:
        """Runs, newest first, of one DAG or of all, at most ``limit``."""
        request = runs_pb2.ListRunsRequest(dag_id=dag_id, states=states)
        return self._pages(self._runs.ListRuns, request, "runs", limit)

    def get_run(self, dag_id: str, run_id: str) -> runs_pb2.DagRun:
        """One run."""
        request = runs_pb2.GetRunRequest(dag_id=dag_id, run_id=run_id)
        return self._channel.call(self._runs.GetRun, request, runs_pb2.GetRunResponse).run

    def watch_runs(
        self,
        runs: Iterable[tuple[str, str]],
        *,
        include_task_instances: bool = False,
        timeout_seconds: float | None = None,
    ) -> Iterator[runs_pb2.WatchRunsResponse]:
        """Runs, given as (dag_id, run_id), as they are and then as they change, until all have ended.

        After an interruption everything is told again as it is then.
        """
        keys = [runs_pb2.RunKey(dag_id=dag_id, run_id=run_id) for dag_id, run_id in runs]
        request = runs_pb2.WatchRunsRequest(runs=keys, include_task_instances=include_task_instances)
        return self._channel.stream(self._runs.WatchRuns, lambda: request, timeout_seconds)

    def cancel_run(self, dag_id: str, run_id: str, *, note: str | None = None) -> runs_pb2.DagRun:
        """Stop a run and its task instances."""
        request = runs_pb2.CancelRunRequest(dag_id=dag_id, run_id=run_id, note=note, request_id=new_request_id())
        return self._channel.call(self._runs.CancelRun, request, runs_pb2.CancelRunResponse).run

    # ------------------------------------------------------------------------------------------------------ tasks
    def list_task_instances(
        self, dag_id: str, run_id: str, *, states: Sequence[str] = ()
    ) -> Iterator[tasks_pb2.TaskInstance]:
        """The task instances of a run."""
        request = tasks_pb2.ListTaskInstancesRequest(dag_id=dag_id, run_id=run_id, states=states)
        return self._pages(self._tasks.ListTaskInstances, request, "task_instances")

    def get_task_instance(
        self, dag_id: str, run_id: str, task_id: str, map_index: int | None = None
    ) -> tasks_pb2.TaskInstance:
        """One task instance, with its attempts and the reason for which it waits."""
        request = tasks_pb2.GetTaskInstanceRequest(dag_id=dag_id, run_id=run_id, task_id=task_id, map_index=map_index)
        return self._channel.call(self._tasks.GetTaskInstance, request, tasks_pb2.GetTaskInstanceResponse).task_instance

    def stream_logs(
        self,
        dag_id: str,
        run_id: str,
        task_id: str,
        *,
        map_index: int | None = None,
        try_number: int = 0,
        offset: int = 0,
        follow: bool = False,
    ) -> Iterator[tasks_pb2.StreamLogsResponse]:
        """The log of one try (0: the newest) from ``offset`` on; goes on by itself after an interruption."""
        request = tasks_pb2.StreamLogsRequest(
            dag_id=dag_id,
            run_id=run_id,
            task_id=task_id,
            map_index=map_index,
            try_number=try_number,
            offset=offset,
            follow=follow,
        )
        for response in self._channel.stream(self._tasks.StreamLogs, lambda: request):
            request.try_number = response.try_number
            request.offset = response.next_offset
            yield response

    # ------------------------------------------------------------------------------------------------------ pools
    def list_pools(self) -> Iterator[pools_pb2.Pool]:
        """Every pool, by name."""
        return self._pages(self._pools.ListPools, pools_pb2.ListPoolsRequest(), "pools")

    def get_pool(self, name: str) -> pools_pb2.Pool:
        """One pool."""
        request = pools_pb2.GetPoolRequest(name=name)
        return self._channel.call(self._pools.GetPool, request, pools_pb2.GetPoolResponse).pool

    def set_pool(
        self, name: str, slots: int, *, description: str | None = None, include_deferred: bool | None = None
    ) -> pools_pb2.Pool:
        """Make a pool or change one; None leaves as it is."""
        request = pools_pb2.SetPoolRequest(
            name=name,
            slots=slots,
            description=description,
            include_deferred=include_deferred,
            request_id=new_request_id(),
        )
        return self._channel.call(self._pools.SetPool, request, pools_pb2.SetPoolResponse).pool

    def delete_pool(self, name: str) -> None:
        """Delete a pool."""
        request = pools_pb2.DeletePoolRequest(name=name, request_id=new_request_id())
        self._channel.call(self._pools.DeletePool, request, pools_pb2.DeletePoolResponse)

    # ---------------------------------------------------------------------------------------------------- cluster
    def get_status(self) -> cluster_pb2.GetStatusResponse:
        """Leaders, actors, nodes, pools, unfinished work and lag, at one moment."""
        request = cluster_pb2.GetStatusRequest()
        return self._channel.call(self._cluster.GetStatus, request, cluster_pb2.GetStatusResponse)

    def list_nodes(self) -> Iterator[cluster_pb2.Node]:
        """The Ray nodes."""
        return self._pages(self._cluster.ListNodes, cluster_pb2.ListNodesRequest(), "nodes")

    def list_actors(self) -> Iterator[cluster_pb2.Actor]:
        """The control plane's actors."""
        return self._pages(self._cluster.ListActors, cluster_pb2.ListActorsRequest(), "actors")

    def list_leaders(self) -> Iterator[cluster_pb2.Leader]:
        """Who leads each partition."""
        return self._pages(self._cluster.ListLeaders, cluster_pb2.ListLeadersRequest(), "leaders")


def new_request_id() -> str:
    """A name for one request, so that sending it again has the effect of once."""
    return str(uuid.uuid4())
