"""Cycles, order and reach."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skyray.core.graph import descendants, find_cycle, topological_order

NODES = "abcdefgh"
GRAPHS = st.dictionaries(st.sampled_from(NODES), st.lists(st.sampled_from(NODES), max_size=3), max_size=8)
ACYCLIC = GRAPHS.map(lambda graph: {node: [each for each in targets if each > node] for node, targets in graph.items()})


def _reaches_itself(graph: dict[str, list[str]]) -> bool:
    return any(node in descendants(graph, node) for node in graph)


@given(GRAPHS)
def test_cycle_is_found_exactly_where_one_is(graph: dict[str, list[str]]) -> None:
    cycle = find_cycle(graph)
    assert (cycle is not None) == _reaches_itself(graph)
    if cycle is not None:
        assert cycle[0] == cycle[-1]
        assert len(set(cycle)) == len(cycle) - 1
        assert all(after in graph[before] for before, after in pairwise(cycle))


def test_task_after_itself_is_a_cycle() -> None:
    assert find_cycle({"a": ["a"]}) == ["a", "a"]


@given(ACYCLIC)
def test_order_puts_every_node_after_those_that_lead_to_it(graph: dict[str, list[str]]) -> None:
    order = topological_order(graph)
    assert sorted(order) == sorted(set(graph) | {each for targets in graph.values() for each in targets})
    assert all(order.index(node) < order.index(each) for node, targets in graph.items() for each in targets)


@given(ACYCLIC)
def test_good_order_is_kept(graph: dict[str, list[str]]) -> None:
    order = topological_order(graph)
    assert topological_order({node: graph.get(node, []) for node in order}) == order


def test_order_does_not_depend_on_how_targets_iterate() -> None:
    assert topological_order({"a": ["c", "b"], "b": [], "c": []}) == ["a", "b", "c"]


def test_no_order_names_the_cycle() -> None:
    with pytest.raises(ValueError, match="a -> b -> a"):
        topological_order({"a": ["b"], "b": ["a"]})


def test_depth_is_no_limit() -> None:
    chain = {str(n): [str(n + 1)] for n in range(50_000)}
    assert find_cycle(chain) is None
    assert topological_order(chain) == [str(n) for n in range(50_001)]
    assert len(descendants(chain, "0")) == 50_000
    assert find_cycle({**chain, "50000": ["0"]}) is not None


def test_descendants_leave_out_what_is_beside() -> None:
    assert descendants({"a": ["b", "c"], "b": ["d"], "x": ["d"]}, "a") == {"b", "c", "d"}
    assert descendants({}, "a") == set()
