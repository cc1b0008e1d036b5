"""Every cell of Airflow's truth table, and what holds for every combination."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skyray.core.states import TERMINAL_STATES, TaskState
from skyray.core.trigger_rules import RULES, UpstreamCounts, Verdict, evaluate, explain

LETTERS = {
    "S": TaskState.SUCCESS,
    "F": TaskState.FAILED,
    "K": TaskState.SKIPPED,
    "U": TaskState.UPSTREAM_FAILED,
    "R": TaskState.REMOVED,
    ".": TaskState.RUNNING,
}
OUTCOMES = {"RUN": Verdict.RUN, "wait": Verdict.WAIT, "SKIP": Verdict.SKIP, "UPF": Verdict.UPSTREAM_FAILED}


def _read_cells() -> list[tuple[str, str, str]]:
    """(upstreams, rule, outcome) of both tables of the document."""
    cells: list[tuple[str, str, str]] = []
    header: list[str] = []
    text = (Path(__file__).parents[1] / "semantics" / "trigger_rules.md").read_text()
    for line in text.splitlines():
        row = line.strip("|").split("|") if line.startswith("|") else []
        if not row or row[0] == "---":
            continue
        if row[0] == "upstreams":
            header = row
        elif header[1] == "rule":
            cells.append((row[0], row[1], row[2]))
        else:
            cells.extend((row[0], rule, outcome) for rule, outcome in zip(header[1:], row[1:], strict=True))
    return cells


CELLS = _read_cells()


def count(upstreams: str) -> UpstreamCounts:
    states = [LETTERS[letter] for letter in upstreams.split()]
    counts = UpstreamCounts(total=len(states))
    for state in states:
        counts.add(state)
    return counts


def test_table_is_complete() -> None:
    one_and_two = {(upstreams, rule) for upstreams, rule, _ in CELLS if len(upstreams.split()) <= 2}
    assert len(RULES) == 13
    assert len(one_and_two) == (6 + 21) * 13


@pytest.mark.parametrize(("upstreams", "rule", "outcome"), CELLS)
def test_cell(upstreams: str, rule: str, outcome: str) -> None:
    assert evaluate(rule, count(upstreams)) is OUTCOMES[outcome]


@pytest.mark.parametrize("rule", RULES)
def test_without_upstreams_every_rule_runs(rule: str) -> None:
    assert evaluate(rule, UpstreamCounts(total=0)) is Verdict.RUN


def test_unknown_rule_is_an_error() -> None:
    with pytest.raises(KeyError):
        evaluate("all_succes", UpstreamCounts(total=1))


@pytest.mark.parametrize("state", [each for each in TaskState if each not in TERMINAL_STATES])
def test_unfinished_state_is_not_counted(state: TaskState) -> None:
    counts = UpstreamCounts(total=1)
    counts.add(state)
    assert counts == UpstreamCounts(total=1)


ENDED = st.lists(st.sampled_from("SFKUR"), min_size=1, max_size=8)


@given(rule=st.sampled_from(sorted(RULES)), ended=ENDED)
def test_only_all_skipped_waits_when_all_upstreams_ended(rule: str, ended: list[str]) -> None:
    verdict = evaluate(rule, count(" ".join(ended)))
    assert (verdict is Verdict.WAIT) == (rule == "all_skipped" and "R" in ended and set(ended) <= {"K", "R"})


@given(rule=st.sampled_from(sorted(RULES)), ended=ENDED)
def test_first_verdict_stands_whatever_ends_later(rule: str, ended: list[str]) -> None:
    """In whatever order upstreams end; all_success alone would turn a skip into upstream_failed."""
    counts = UpstreamCounts(total=len(ended))
    verdict = evaluate(rule, counts)
    for letter in ended:
        counts.add(LETTERS[letter])
        before, verdict = verdict, evaluate(rule, counts)
        turned = rule == "all_success" and (before, verdict) == (Verdict.SKIP, Verdict.UPSTREAM_FAILED)
        assert before in (Verdict.WAIT, verdict) or turned


@given(rule=st.sampled_from(sorted(RULES)), ended=ENDED, unfinished=st.integers(0, 3))
def test_explanation_is_one_line_that_names_the_rule(rule: str, ended: list[str], unfinished: int) -> None:
    line = explain(rule, count(" ".join(ended + ["."] * unfinished)))
    assert line.endswith(f"({rule})")
    assert "\n" not in line


@pytest.mark.parametrize(
    ("rule", "upstreams", "line"),
    [
        ("all_success", "S . .", "2 of 3 upstream tasks unfinished (all_success)"),
        ("all_success", "S K .", "skip: of 3 upstream tasks 1 succeeded, 1 skipped, 1 unfinished (all_success)"),
        ("all_success", "U R", "upstream_failed: of 2 upstream tasks 1 upstream_failed, 1 removed (all_success)"),
        ("all_done", "S F", "run: of 2 upstream tasks 1 succeeded, 1 failed (all_done)"),
        ("all_skipped", "K R", "waits for ever: of 2 upstream tasks 1 skipped, 1 removed (all_skipped)"),
        ("always", "", "run: no upstream tasks (always)"),
    ],
)
def test_explanation(rule: str, upstreams: str, line: str) -> None:
    assert explain(rule, count(upstreams)) == line
