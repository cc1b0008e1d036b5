"""Airflow's 13 trigger rules: may a task instance run, given how its direct upstreams ended?

Each rule is one small function over counts, so a decision costs the same for 2 upstreams and for 2,000. Called by
core/world.py whenever an upstream ends. Not here: setup and teardown scopes, branches, mapped task groups.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from skyray.core.states import TaskState


class Verdict(Enum):
    """What a trigger rule says. All but ``WAIT`` are to be acted upon at once: the first one said counts.

    (Under all_success a skipped upstream means SKIP, though a failed one that ends later would have meant
    UPSTREAM_FAILED. No other rule could change its mind.)
    """

    WAIT = "wait"
    RUN = "run"
    SKIP = "skip"
    UPSTREAM_FAILED = "upstream_failed"
    REMOVE = "remove"  # a mapped instance beyond what is left of its upstream; no rule over plain counts says it


# Looking a member up in its Enum costs more than a whole rule does.
_WAIT, _RUN, _SKIP, _UPSTREAM_FAILED = Verdict.WAIT, Verdict.RUN, Verdict.SKIP, Verdict.UPSTREAM_FAILED
_SUCCESS, _FAILED, _SKIPPED = TaskState.SUCCESS, TaskState.FAILED, TaskState.SKIPPED
_UPSTREAM_FAILED_STATE, _REMOVED = TaskState.UPSTREAM_FAILED, TaskState.REMOVED


@dataclass(slots=True)
class UpstreamCounts:
    """How many of ``total`` direct upstream task instances are in each terminal state."""

    total: int
    success: int = 0
    failed: int = 0
    skipped: int = 0
    upstream_failed: int = 0
    removed: int = 0

    @property
    def done(self) -> int:
        """How many are in a terminal state."""
        return self.success + self.failed + self.skipped + self.upstream_failed + self.removed

    def add(self, state: TaskState) -> None:
        """Count one more upstream that ended in ``state``. A state that is not terminal counts as unfinished.

        >>> counts = UpstreamCounts(total=2)
        >>> counts.add(TaskState.SUCCESS)
        >>> counts.success, counts.done
        (1, 1)
        """
        if state is _SUCCESS:
            self.success += 1
        elif state is _SKIPPED:
            self.skipped += 1
        elif state is _FAILED:
            self.failed += 1
        elif state is _UPSTREAM_FAILED_STATE:
            self.upstream_failed += 1
        elif state is _REMOVED:
            self.removed += 1


def _all_success(n: UpstreamCounts) -> Verdict:
    if n.failed or n.upstream_failed:
        return _UPSTREAM_FAILED
    if n.skipped:
        return _SKIP
    return _RUN if n.success + n.removed >= n.total else _WAIT


def _all_failed(n: UpstreamCounts) -> Verdict:
    if n.success or n.skipped:
        return _SKIP
    return _RUN if n.failed + n.upstream_failed + n.removed >= n.total else _WAIT


def _all_done(n: UpstreamCounts) -> Verdict:
    return _RUN if n.done >= n.total else _WAIT


def _all_done_min_one_success(n: UpstreamCounts) -> Verdict:
    if n.skipped:
        return _SKIP
    if n.done < n.total:
        return _WAIT
    return _RUN if n.success else _UPSTREAM_FAILED


def _one_success(n: UpstreamCounts) -> Verdict:
    if n.success:
        return _RUN
    if n.done < n.total:
        return _WAIT
    return _SKIP if n.skipped >= n.total else _UPSTREAM_FAILED


def _one_failed(n: UpstreamCounts) -> Verdict:
    if n.failed or n.upstream_failed:
        return _RUN
    return _SKIP if n.done >= n.total else _WAIT


def _one_done(n: UpstreamCounts) -> Verdict:
    # "Done" here means that it ran: neither skipped nor upstream_failed counts.
    if n.success or n.failed:
        return _RUN
    return _SKIP if n.done >= n.total else _WAIT


def _none_failed(n: UpstreamCounts) -> Verdict:
    if n.failed or n.upstream_failed:
        return _UPSTREAM_FAILED
    return _RUN if n.done >= n.total else _WAIT


def _none_failed_min_one_success(n: UpstreamCounts) -> Verdict:
    if n.failed or n.upstream_failed:
        return _UPSTREAM_FAILED
    if n.done < n.total:
        return _WAIT
    if n.success:
        return _RUN
    return _SKIP if n.skipped >= n.total else _UPSTREAM_FAILED


def _none_skipped(n: UpstreamCounts) -> Verdict:
    if n.skipped:
        return _SKIP
    return _RUN if n.done >= n.total else _WAIT


def _all_skipped(n: UpstreamCounts) -> Verdict:
    # A removed upstream can no longer be skipped: this waits for ever, as in Airflow, until the run's deadlock check.
    if n.success or n.failed or n.upstream_failed:
        return _SKIP
    return _RUN if n.skipped >= n.total else _WAIT


def _always(n: UpstreamCounts) -> Verdict:
    return _RUN


#: Rule name -> its function. A task without upstreams runs under every rule; ``evaluate`` looks after that.
RULES: dict[str, Callable[[UpstreamCounts], Verdict]] = {
    "all_success": _all_success,
    "all_failed": _all_failed,
    "all_done": _all_done,
    "all_done_min_one_success": _all_done_min_one_success,
    "all_done_setup_success": _all_done,  # its other half concerns setups, of which plain counts know nothing
    "one_success": _one_success,
    "one_failed": _one_failed,
    "one_done": _one_done,
    "none_failed": _none_failed,
    "none_failed_min_one_success": _none_failed_min_one_success,
    "none_skipped": _none_skipped,
    "all_skipped": _all_skipped,
    "always": _always,
}


def evaluate(rule: str, counts: UpstreamCounts) -> Verdict:
    """What ``rule`` says about ``counts``. Raises ``KeyError`` for a name that is not in ``RULES``.

    >>> evaluate("all_success", UpstreamCounts(total=2, success=1))
    <Verdict.WAIT: 'wait'>
    >>> evaluate("one_success", UpstreamCounts(total=2, success=1))
    <Verdict.RUN: 'run'>
    """
    return RULES[rule](counts) if counts.total else _RUN


def explain(rule: str, counts: UpstreamCounts) -> str:
    """One line for people: why ``rule`` says what it says.

    >>> explain("all_success", UpstreamCounts(total=3, success=1))
    '2 of 3 upstream tasks unfinished (all_success)'
    >>> explain("all_success", UpstreamCounts(total=3, success=1, failed=1))
    'upstream_failed: of 3 upstream tasks 1 succeeded, 1 failed, 1 unfinished (all_success)'
    """
    verdict = evaluate(rule, counts)
    total, unfinished = counts.total, counts.total - counts.done
    if not total:
        return f"run: no upstream tasks ({rule})"
    if verdict is _WAIT and unfinished > 0:
        return f"{unfinished} of {total} upstream tasks unfinished ({rule})"
    named = (
        (counts.success, "succeeded"),
        (counts.failed, "failed"),
        (counts.skipped, "skipped"),
        (counts.upstream_failed, "upstream_failed"),
        (counts.removed, "removed"),
        (unfinished, "unfinished"),
    )
    parts = ", ".join(f"{number} {name}" for number, name in named if number > 0)
    # Waiting with nothing left to wait for: only all_skipped with a removed upstream.
    what = "waits for ever" if verdict is _WAIT else verdict.value
    return f"{what}: of {total} upstream tasks {parts} ({rule})"
