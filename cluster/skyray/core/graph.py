"""Directed graphs given as mappings: cycles, order, reach. Iterative, so depth is no limit.

``edges`` maps a node to the nodes that come after it. A node that appears only as a target counts too. Called by
sdk/serialize.py (cycle check, order of tasks) and core/weights.py.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping

Edges = Mapping[str, Iterable[str]]


def find_cycle(edges: Edges) -> list[str] | None:
    """The nodes of one cycle, its first node repeated at the end; ``None`` if there is none.

    >>> find_cycle({"a": ["b"], "b": ["c"], "c": ["b"]})
    ['b', 'c', 'b']
    >>> find_cycle({"a": ["b"], "b": []}) is None
    True
    """
    finished: set[str] = set()
    for root in edges:
        if root in finished:
            continue
        path, on_path = [root], {root}
        pending: list[Iterator[str]] = [iter(edges[root])]
        while pending:
            for target in pending[-1]:
                if target in on_path:
                    return [*path[path.index(target) :], target]
                if target not in finished:
                    path.append(target)
                    on_path.add(target)
                    pending.append(iter(edges.get(target, ())))
                    break
            else:
                pending.pop()
                node = path.pop()
                on_path.discard(node)
                finished.add(node)
    return None


def topological_order(edges: Edges) -> list[str]:
    """Every node, each after all that lead to it; among those that could come next, the one named first in ``edges``.

    So an order that was good already comes back unchanged, and the result does not depend on how sets iterate as long
    as the mapping's order does not. Raises ``ValueError`` that names a cycle if there is one.

    >>> topological_order({"c": [], "a": ["b"], "b": ["c"]})
    ['a', 'b', 'c']
    """
    after = {node: tuple(dict.fromkeys(targets)) for node, targets in edges.items()}
    for targets in list(after.values()):
        for target in targets:
            after.setdefault(target, ())
    nodes = list(after)
    position = {node: index for index, node in enumerate(nodes)}
    blockers = dict.fromkeys(nodes, 0)
    for targets in after.values():
        for target in targets:
            blockers[target] += 1
    ready = [position[node] for node in nodes if not blockers[node]]  # ascending, hence a heap already
    order: list[str] = []
    while ready:
        node = nodes[heapq.heappop(ready)]
        order.append(node)
        for target in after[node]:
            blockers[target] -= 1
            if not blockers[target]:
                heapq.heappush(ready, position[target])
    if len(order) < len(nodes):
        cycle = find_cycle(after)
        assert cycle is not None
        raise ValueError(f"no order exists: {' -> '.join(cycle)}")
    return order


def descendants(edges: Edges, node: str) -> set[str]:
    """Every node that ``node`` leads to, directly or not. ``node`` itself only if it lies on a cycle.

    >>> sorted(descendants({"a": ["b"], "b": ["c"], "d": ["c"]}, "a"))
    ['b', 'c']
    """
    found: set[str] = set()
    pending = list(edges.get(node, ()))
    while pending:
        target = pending.pop()
        if target not in found:
            found.add(target)
            pending.extend(edges.get(target, ()))
    return found
