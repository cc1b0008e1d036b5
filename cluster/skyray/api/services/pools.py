"""PoolService: list, get, set and delete pools."""

from __future__ import annotations

from typing import Any

from skyray.admin.v1 import pools_pb2, pools_pb2_grpc
from skyray.api import convert, validate
from skyray.api.control_plane import ControlPlane
from skyray.api.errors import FieldError
from skyray.api.pages import page_of
from skyray.api.reads import Reads
from skyray.core.model import DEFAULT_POOL, Pool
from skyray.errors import ConflictError, NotFoundError

_DESCRIPTION_CHARACTERS_MAX = 1000


class PoolService(pools_pb2_grpc.PoolServiceServicer):
    """Pools. Their definitions are the API's to write; the Pools actor is told of changes."""

    def __init__(self, reads: Reads, control_plane: ControlPlane) -> None:
        self._reads = reads
        self._control_plane = control_plane

    async def ListPools(self, request: pools_pb2.ListPoolsRequest, context: Any) -> pools_pb2.ListPoolsResponse:
        """By name."""
        pools = await self._reads.pools()
        page, token = page_of(pools, lambda each: each.pool.name, request.page_size, request.page_token)
        return pools_pb2.ListPoolsResponse(pools=map(convert.pool, page), next_page_token=token)

    async def GetPool(self, request: pools_pb2.GetPoolRequest, context: Any) -> pools_pb2.GetPoolResponse:
        """One."""
        found = await self._reads.pool(validate.identifier("name", request.name))
        return pools_pb2.GetPoolResponse(pool=convert.pool(found))

    async def SetPool(self, request: pools_pb2.SetPoolRequest, context: Any) -> pools_pb2.SetPoolResponse:
        """Make or change one. Setting the same again changes nothing, so the request id needs no memory."""
        name = validate.identifier("name", request.name)
        validate.request_id(request.request_id)
        if request.slots < -1:
            raise FieldError("slots", f"slots is {request.slots}; it must be 0 or more, or -1 for no limit")
        try:
            before = (await self._reads.pool(name)).pool
        except NotFoundError:
            before = Pool(name, request.slots)
        description = before.description
        if request.HasField("description"):
            description = validate.free_text("description", request.description, _DESCRIPTION_CHARACTERS_MAX)
        deferred = request.include_deferred if request.HasField("include_deferred") else before.include_deferred
        await self._reads.set_pool(Pool(name, request.slots, description, deferred))
        await self._control_plane.pools_changed()
        return pools_pb2.SetPoolResponse(pool=convert.pool(await self._reads.pool(name)))

    async def DeletePool(self, request: pools_pb2.DeletePoolRequest, context: Any) -> pools_pb2.DeletePoolResponse:
        """Delete one."""
        name = validate.identifier("name", request.name)
        validate.request_id(request.request_id)
        if name == DEFAULT_POOL:
            raise ConflictError(f"{DEFAULT_POOL} cannot be deleted", hint="`skyray pools set` changes its slots")
        await self._reads.delete_pool(name)
        await self._control_plane.pools_changed()
        return pools_pb2.DeletePoolResponse()
