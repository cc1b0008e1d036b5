"""DagService: DAGs, their versions, triggering and pausing them, and the bundles that define them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from skyray.admin.v1 import dags_pb2, dags_pb2_grpc
from skyray.api import convert, validate
from skyray.api.commands import CommandDesk
from skyray.api.control_plane import ControlPlane
from skyray.api.reads import Reads
from skyray.api.upcoming import upcoming_runs
from skyray.api.uploads import receive_bundle


class DagService(dags_pb2_grpc.DagServiceServicer):
    """DAGs."""

    def __init__(self, reads: Reads, desk: CommandDesk, control_plane: ControlPlane, bundle_max_bytes: int) -> None:
        self._reads = reads
        self._desk = desk
        self._control_plane = control_plane
        self._bundle_max_bytes = bundle_max_bytes

    async def ListDags(self, request: dags_pb2.ListDagsRequest, context: Any) -> dags_pb2.ListDagsResponse:
        """By dag_id."""
        size = validate.page_size(request.page_size)
        dags, token = await self._reads.dags(request.include_retired, size, request.page_token)
        return dags_pb2.ListDagsResponse(dags=map(convert.dag, dags), next_page_token=token)

    async def GetDag(self, request: dags_pb2.GetDagRequest, context: Any) -> dags_pb2.GetDagResponse:
        """One, with its tasks."""
        view = await self._reads.dag(validate.identifier("dag_id", request.dag_id))
        return dags_pb2.GetDagResponse(dag=convert.dag_with_tasks(view))

    async def ListDagVersions(
        self, request: dags_pb2.ListDagVersionsRequest, context: Any
    ) -> dags_pb2.ListDagVersionsResponse:
        """Newest first."""
        dag_id = validate.identifier("dag_id", request.dag_id)
        size = validate.page_size(request.page_size)
        versions, token = await self._reads.dag_versions(dag_id, size, request.page_token)
        return dags_pb2.ListDagVersionsResponse(dag_versions=map(convert.dag_version, versions), next_page_token=token)

    async def SubmitBundle(
        self, requests: AsyncIterator[dags_pb2.SubmitBundleRequest], context: Any
    ) -> dags_pb2.SubmitBundleResponse:
        """Receive it, have it taken over, say what came of it. The same bundle again changes nothing."""
        header, content = await receive_bundle(requests, self._bundle_max_bytes)
        report = await self._control_plane.submit_bundle(header.name, content, header.request_id)
        dags = [convert.dag(await self._reads.dag(dag_id)) for dag_id in report.dag_ids]
        return dags_pb2.SubmitBundleResponse(
            bundle_name=header.name,
            bundle_digest=report.bundle_digest,
            dags=dags,
            import_errors=[convert.parse_error(header.name, error) for error in report.errors],
            retired_dag_ids=report.retired_dag_ids,
        )

    async def TriggerDag(self, request: dags_pb2.TriggerDagRequest, context: Any) -> dags_pb2.TriggerDagResponse:
        """Make a run now."""
        dag_id = validate.identifier("dag_id", request.dag_id)
        request_id = validate.request_id(request.request_id)
        conf = validate.conf(request.conf)
        payload: dict[str, Any] = {"dag_id": dag_id, "conf": conf, "triggered_by": "api"}
        if request.run_id:
            payload["run_id"] = validate.run_id(request.run_id)
        if request.HasField("logical_date"):
            payload["logical_date"] = validate.moment("logical_date", request.logical_date).isoformat()
        if request.HasField("note"):
            payload["note"] = validate.free_text("note", request.note)
        view = await self._reads.dag(dag_id)
        await asyncio.to_thread(validate.check_params, view.spec, conf)
        result = await self._desk.execute("trigger_run", dag_id, payload, request_id)
        return dags_pb2.TriggerDagResponse(run=convert.run(await self._reads.run(dag_id, result["run_id"])))

    async def PauseDag(self, request: dags_pb2.PauseDagRequest, context: Any) -> dags_pb2.PauseDagResponse:
        """No new scheduled runs."""
        return dags_pb2.PauseDagResponse(dag=await self._changed("pause_dag", request))

    async def UnpauseDag(self, request: dags_pb2.UnpauseDagRequest, context: Any) -> dags_pb2.UnpauseDagResponse:
        """Scheduled runs again."""
        return dags_pb2.UnpauseDagResponse(dag=await self._changed("unpause_dag", request))

    async def _changed(self, kind: str, request: Any) -> dags_pb2.Dag:
        dag_id = validate.identifier("dag_id", request.dag_id)
        request_id = validate.request_id(request.request_id)
        await self._reads.dag(dag_id)
        await self._desk.execute(kind, dag_id, {"dag_id": dag_id}, request_id)
        return convert.dag(await self._reads.dag(dag_id))

    async def DeleteDag(self, request: dags_pb2.DeleteDagRequest, context: Any) -> dags_pb2.DeleteDagResponse:
        """Delete it and all that is recorded of it."""
        dag_id = validate.identifier("dag_id", request.dag_id)
        request_id = validate.request_id(request.request_id)
        await self._desk.execute("delete_dag", dag_id, {"dag_id": dag_id}, request_id)
        return dags_pb2.DeleteDagResponse()

    async def ListUpcomingRuns(
        self, request: dags_pb2.ListUpcomingRunsRequest, context: Any
    ) -> dags_pb2.ListUpcomingRunsResponse:
        """What the schedule will make."""
        dag_id = validate.identifier("dag_id", request.dag_id)
        view = await self._reads.dag(dag_id)
        last = await self._reads.last_scheduled_run(dag_id)
        size = validate.page_size(request.page_size or 1)
        found, token = await asyncio.to_thread(upcoming_runs, view.spec, last, size, request.page_token)
        return dags_pb2.ListUpcomingRunsResponse(
            upcoming_runs=[convert.upcoming_run(dag_id, each) for each in found], next_page_token=token
        )

    async def ListImportErrors(
        self, request: dags_pb2.ListImportErrorsRequest, context: Any
    ) -> dags_pb2.ListImportErrorsResponse:
        """Why files and DAGs are not live."""
        size = validate.page_size(request.page_size)
        errors, token = await self._reads.import_errors(size, request.page_token)
        return dags_pb2.ListImportErrorsResponse(import_errors=map(convert.import_error, errors), next_page_token=token)
