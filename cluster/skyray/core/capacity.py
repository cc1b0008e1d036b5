"""What the Ray cluster can hold, and how much of it this leader has handed out already.

Ray has neither priorities nor fairness, so it gets only what fits now plus a look-ahead: enough that workers never wait
for the scheduler, little enough that a later, more important task is not stuck behind a long queue. The look-ahead is
counted in attempts of a shape and follows how long such attempts last: about ``look_ahead_seconds`` of work.
"""

from __future__ import annotations

from collections.abc import Sequence

from skyray.core.events import NodeResources
from skyray.core.model import ResourceSpec
from skyray.core.structure import Shape

_EPSILON = 1e-6  # Ray counts resources in units of 1/10000; sums of floats need slack


class Capacity:
    """Books of cluster totals and of what is in flight, by Ray resource name."""

    def __init__(self, *, look_ahead_seconds: float, look_ahead_min: int, look_ahead_max: int) -> None:
        self._nodes: tuple[NodeResources, ...] = ()
        self._known = False
        self._total: dict[str, float] = {}
        self._used: dict[str, float] = {}
        self._mean_seconds: dict[Shape, float] = {}
        self._obstacle: dict[ResourceSpec, str | None] = {}
        self._look_ahead_seconds = look_ahead_seconds
        self._look_ahead_min = look_ahead_min
        self._look_ahead_max = look_ahead_max

    def change_nodes(self, nodes: Sequence[NodeResources]) -> None:
        """The alive nodes are these now."""
        self._nodes = tuple(nodes)
        self._known = True
        self._obstacle.clear()
        self._total = {}
        for node in nodes:
            for name, quantity in node.total:
                self._total[name] = self._total.get(name, 0.0) + quantity

    def obstacle(self, spec: ResourceSpec) -> str | None:
        """Why no alive node could ever hold such an attempt; None if one can, or the cluster is not known yet."""
        if not self._known:
            return None
        if spec not in self._obstacle:
            self._obstacle[spec] = self._find_obstacle(spec)
        return self._obstacle[spec]

    def _find_obstacle(self, spec: ResourceSpec) -> str | None:
        if not self._nodes:
            return "the Ray cluster has no alive node"
        matching = [node for node in self._nodes if _labels_match(spec, node)]
        if not matching:
            wanted = ", ".join(f"{key}={value}" for key, value in spec.label_selector)
            return f"no node has label {wanted}"
        demand = spec.demand()
        for node in matching:
            total = dict(node.total)
            if all(total.get(name, 0.0) + _EPSILON >= quantity for name, quantity in demand.items()):
                return None
        for name, quantity in demand.items():
            most = max(dict(node.total).get(name, 0.0) for node in matching)
            if most + _EPSILON < quantity:
                return f"no node has {quantity:g} {name} (the largest has {most:g})"
        asked = ", ".join(f"{quantity:g} {name}" for name, quantity in demand.items())
        return f"no single node has {asked} together"

    def has_room(self, shape: Shape) -> bool:
        """Whether one more attempt of this shape may be handed to Ray now."""
        if not self._known:
            return True
        ahead = self._look_ahead(shape)
        for name, quantity in shape.demand:
            if self._used.get(name, 0.0) + quantity > self._total.get(name, 0.0) + ahead * quantity + _EPSILON:
                return False
        return True

    def _look_ahead(self, shape: Shape) -> int:
        seconds = self._mean_seconds.get(shape)
        if seconds is None:
            return self._look_ahead_min
        at_once = min(
            (self._total.get(name, 0.0) / quantity for name, quantity in shape.demand), default=float(len(self._nodes))
        )
        wanted = int(at_once * self._look_ahead_seconds / max(seconds, 0.0005))
        return max(self._look_ahead_min, min(self._look_ahead_max, wanted))

    def take(self, shape: Shape) -> None:
        """An attempt of this shape was handed out."""
        for name, quantity in shape.demand:
            self._used[name] = self._used.get(name, 0.0) + quantity

    def give_back(self, shape: Shape) -> None:
        """An attempt of this shape is over."""
        for name, quantity in shape.demand:
            left = self._used.get(name, 0.0) - quantity
            self._used[name] = left if left > _EPSILON else 0.0

    def learn(self, shape: Shape, seconds: float) -> None:
        """An attempt of this shape took this long (moving average, weight 1/8)."""
        seconds = max(seconds, 0.0)
        mean = self._mean_seconds.get(shape)
        self._mean_seconds[shape] = seconds if mean is None else mean + (seconds - mean) / 8

    def in_use(self, name: str) -> tuple[float, float]:
        """(handed out, total) of one resource, for explanations."""
        return self._used.get(name, 0.0), self._total.get(name, 0.0)


def _labels_match(spec: ResourceSpec, node: NodeResources) -> bool:
    """Ray's label selector: ``v``, ``!v``, ``in(a,b)``, ``!in(a,b)`` (docs: scheduling/labels)."""
    labels = dict(node.labels)
    for key, wanted in spec.label_selector:
        have = labels.get(key)
        negated = wanted.startswith("!")
        text = wanted[1:] if negated else wanted
        if text.startswith("in(") and text.endswith(")"):
            matches = have in [part.strip() for part in text[3:-1].split(",")]
        else:
            matches = have == text
        if matches == negated:
            return False
    return True
