"""ClusterService: nodes, actors, leaders, and all of it at once."""

from __future__ import annotations

import asyncio
from importlib.metadata import version
from typing import Any

from skyray.admin.v1 import cluster_pb2, cluster_pb2_grpc
from skyray.api import convert
from skyray.api.control_plane import ControlPlane
from skyray.api.pages import page_of
from skyray.api.reads import Reads


class ClusterService(cluster_pb2_grpc.ClusterServiceServicer):
    """What the control plane is made of, and how it is."""

    def __init__(self, reads: Reads, control_plane: ControlPlane) -> None:
        self._reads = reads
        self._control_plane = control_plane

    async def GetStatus(self, request: cluster_pb2.GetStatusRequest, context: Any) -> cluster_pb2.GetStatusResponse:
        """Everything at one moment."""
        leaders, pools, counts, actors, nodes = await asyncio.gather(
            self._reads.leaders(),
            self._reads.pools(),
            self._reads.unfinished(),
            self._control_plane.actors(),
            self._control_plane.nodes(),
        )
        return cluster_pb2.GetStatusResponse(
            version=version("skyray"),
            leaders=[convert.leader(each) for each in leaders],
            actors=[convert.actor(each) for each in actors],
            nodes=[convert.node(each) for each in nodes],
            pools=[convert.pool(each) for each in pools],
            runs=counts.runs,
            task_instances=counts.task_instances,
            command_lag_seconds=counts.command_lag_seconds or None,
        )

    async def ListNodes(self, request: cluster_pb2.ListNodesRequest, context: Any) -> cluster_pb2.ListNodesResponse:
        """The Ray nodes."""
        nodes = await self._control_plane.nodes()
        page, token = page_of(nodes, lambda node: node.node_id, request.page_size, request.page_token)
        return cluster_pb2.ListNodesResponse(nodes=map(convert.node, page), next_page_token=token)

    async def ListActors(self, request: cluster_pb2.ListActorsRequest, context: Any) -> cluster_pb2.ListActorsResponse:
        """The actors."""
        actors = await self._control_plane.actors()
        page, token = page_of(actors, lambda actor: actor.name, request.page_size, request.page_token)
        return cluster_pb2.ListActorsResponse(actors=map(convert.actor, page), next_page_token=token)

    async def ListLeaders(
        self, request: cluster_pb2.ListLeadersRequest, context: Any
    ) -> cluster_pb2.ListLeadersResponse:
        """Who leads."""
        leaders = await self._reads.leaders()
        page, token = page_of(leaders, lambda leader: leader.partition, request.page_size, request.page_token)
        return cluster_pb2.ListLeadersResponse(leaders=map(convert.leader, page), next_page_token=token)
