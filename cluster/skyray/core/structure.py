"""A DAG version compiled for scheduling: who waits for whom, by position, and what each task weighs.

Built once per version by world.py and shared by all of its runs; immutable after construction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from skyray.core.model import DagSpec, DagVersion, ResourceSpec, TaskSpec
from skyray.core.weights import effective_weights


@dataclass(frozen=True, slots=True)
class Shape:
    """What attempts with an equal ResourceSpec ask of a node. Attempts of one shape are interchangeable to Ray."""

    spec: ResourceSpec
    demand: tuple[tuple[str, float], ...]


class Structure:
    """One DAG version by position: ``tasks[i]``, ``downstream[i]``, ``upstream_total[i]``, ``weight[i]`` …"""

    __slots__ = ("bundle_digest", "downstream", "leaves", "position", "shapes", "spec", "tasks", "upstream_total",
                 "version", "weight")  # fmt: skip

    def __init__(self, version: DagVersion, shapes: dict[ResourceSpec, Shape]) -> None:
        self.spec: DagSpec = version.spec
        self.version = version.version
        self.bundle_digest = version.bundle_digest
        self.tasks: Sequence[TaskSpec] = version.spec.tasks
        self.position = {task.task_id: at for at, task in enumerate(self.tasks)}
        self.downstream: list[list[int]] = [[] for _ in self.tasks]
        for at, task in enumerate(self.tasks):
            for upstream_id in task.upstream:
                self.downstream[self.position[upstream_id]].append(at)
        self.upstream_total = [len(task.upstream) for task in self.tasks]
        self.leaves = [at for at, below in enumerate(self.downstream) if not below]
        weights = effective_weights(self.tasks)
        self.weight = [weights[task.task_id] for task in self.tasks]
        self.shapes: list[Shape] = []
        for task in self.tasks:
            shape = shapes.get(task.resources)
            if shape is None:
                shape = shapes[task.resources] = Shape(task.resources, tuple(task.resources.demand().items()))
            self.shapes.append(shape)
