"""TaskService: list and get task instances, stream their logs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

from skyray.admin.v1 import tasks_pb2, tasks_pb2_grpc
from skyray.api import convert, validate
from skyray.api.control_plane import ControlPlane
from skyray.api.errors import FieldError, ResourceNotFoundError
from skyray.api.reads import Reads
from skyray.core.logs import log_path
from skyray.core.model import TaskInstance
from skyray.core.states import TaskState
from skyray.errors import ClusterUnreachableError, ConflictError
from skyray.store.views import TaskInstanceView

TASK_STATES = tuple(state.value for state in TaskState)
_LOG_PART_BYTES = 256 << 10
_FOLLOW_SECONDS = 0.2
_WITHOUT_EXECUTOR_SECONDS_MAX = 30.0
_EXPLAINED_MAX = 20
_WAITING = frozenset({TaskState.SCHEDULED, TaskState.UP_FOR_RETRY})
_FINISHED_TRY = frozenset({TaskState.UP_FOR_RETRY, TaskState.UP_FOR_RESCHEDULE, TaskState.DEFERRED})


class TaskService(tasks_pb2_grpc.TaskServiceServicer):
    """Task instances."""

    def __init__(self, reads: Reads, control_plane: ControlPlane) -> None:
        self._reads = reads
        self._control_plane = control_plane

    async def ListTaskInstances(
        self, request: tasks_pb2.ListTaskInstancesRequest, context: Any
    ) -> tasks_pb2.ListTaskInstancesResponse:
        """Those of a run."""
        states = validate.one_of("states", request.states, TASK_STATES)
        dag_id = validate.identifier("dag_id", request.dag_id)
        run_id = validate.identifier("run_id", request.run_id)
        size = validate.page_size(request.page_size)
        tis, token = await self._reads.task_instances(dag_id, run_id, states, size, request.page_token)
        messages = [convert.task_instance(ti) for ti in tis]
        await self._explain_first(tis, messages)
        return tasks_pb2.ListTaskInstancesResponse(task_instances=messages, next_page_token=token)

    async def GetTaskInstance(
        self, request: tasks_pb2.GetTaskInstanceRequest, context: Any
    ) -> tasks_pb2.GetTaskInstanceResponse:
        """One, with its attempts and the reason for which it waits."""
        view = await self._view_of(request)
        message = convert.task_instance(view.ti)
        message.attempts.extend(map(convert.attempt, view.attempts))
        if not view.ti.state.is_terminal and view.ti.state is not TaskState.RUNNING:
            reason = await self._reason(view.partition, view.ti.ti_id)
            if reason:
                message.waiting_for = reason
        return tasks_pb2.GetTaskInstanceResponse(task_instance=message)

    async def _explain_first(self, tis: Sequence[TaskInstance], messages: Sequence[tasks_pb2.TaskInstance]) -> None:
        """Say for the first of those that could run why they do not. Not for all: each is a question to the leader."""
        waiting = [pair for pair in zip(tis, messages, strict=True) if pair[0].state in _WAITING][:_EXPLAINED_MAX]
        if not waiting:
            return
        first = waiting[0][0]
        view = await self._reads.task_instance(first.dag_id, first.run_id, first.task_id, first.map_index)
        reasons = await asyncio.gather(*(self._reason(view.partition, ti.ti_id) for ti, _ in waiting))
        for (_, message), reason in zip(waiting, reasons, strict=True):
            if reason:
                message.waiting_for = reason

    async def _reason(self, partition: int, ti_id: int) -> str | None:
        try:
            return await self._control_plane.explain(partition, ti_id)
        except ClusterUnreachableError:
            return f"a leader of partition {partition}: none answers"

    async def _view_of(self, request: Any) -> TaskInstanceView:
        return await self._reads.task_instance(
            validate.identifier("dag_id", request.dag_id),
            validate.identifier("run_id", request.run_id),
            validate.identifier("task_id", request.task_id),
            validate.map_index(request.map_index if request.HasField("map_index") else -1),
        )

    async def StreamLogs(
        self, request: tasks_pb2.StreamLogsRequest, context: Any
    ) -> AsyncIterator[tasks_pb2.StreamLogsResponse]:
        """Bytes as they come; with follow, until the try has ended and all of it is sent."""
        if request.offset < 0 or request.try_number < 0:
            field = "offset" if request.offset < 0 else "try_number"
            raise FieldError(field, f"{field} cannot be negative")
        view = await self._view_of(request)
        if request.follow:
            view = await self._once_it_has_begun(request, view)
        try_number = request.try_number or view.ti.try_number
        self._check_try(view.ti, try_number)
        offset = request.offset
        silent_seconds = 0.0
        while True:
            is_final = _has_ended(view.ti, try_number)  # asked before the bytes: what is read then is all
            try:
                content = await self._read(view, try_number, offset)
                silent_seconds = 0.0
            except ClusterUnreachableError:
                silent_seconds += _FOLLOW_SECONDS
                if not request.follow or silent_seconds > _WITHOUT_EXECUTOR_SECONDS_MAX:
                    raise
                content, is_final = b"", False
            if content:
                offset += len(content)
                yield tasks_pb2.StreamLogsResponse(try_number=try_number, content=content, next_offset=offset)
                continue
            if is_final or not request.follow:
                return
            await asyncio.sleep(_FOLLOW_SECONDS)
            view = await self._view_of(request)

    async def _once_it_has_begun(self, request: Any, view: TaskInstanceView) -> TaskInstanceView:
        wanted = request.try_number or 1
        while view.ti.try_number < wanted and not view.ti.state.is_terminal:
            await asyncio.sleep(_FOLLOW_SECONDS)
            view = await self._view_of(request)
        return view

    async def _read(self, view: TaskInstanceView, try_number: int, offset: int) -> bytes:
        ti = view.ti
        executor = ti.executor if try_number == ti.try_number else None
        for attempt in view.attempts:
            if attempt.try_number == try_number:
                executor = attempt.executor or executor
        path = log_path(ti.dag_id, ti.run_id, ti.task_id, ti.map_index, try_number)
        name = executor.partition("#")[0] if executor else None
        return await self._control_plane.read_log(name, path, offset, _LOG_PART_BYTES)

    def _check_try(self, ti: TaskInstance, try_number: int) -> None:
        name = f"{ti.dag_id}/{ti.run_id}/{ti.task_id}"
        if try_number == 0:
            raise ConflictError(
                f"task instance {name} has not run (state {ti.state.value})",
                hint="" if ti.state.is_terminal else "with follow (-f) its log is streamed once it begins",
            )
        if try_number > ti.try_number:
            raise ResourceNotFoundError(
                "Attempt",
                f"{name}/{try_number}",
                f"task instance {name} has had {ti.try_number} tries, not {try_number}",
            )


def _has_ended(ti: TaskInstance, try_number: int) -> bool:
    return ti.try_number > try_number or ti.state.is_terminal or ti.state in _FINISHED_TRY
