"""Values that recent task instances pushed, so that a hop down the graph needs no read from the database.

An ended task instance is remembered whole: a key that it did not push is known to be absent. Bounded; what is not here
is read from the store. Called by leader.py.
"""

from __future__ import annotations

from collections import OrderedDict

from skyray.core.events import Effects
from skyray.core.states import TaskState

Key = tuple[int, str, str]  # run_seq, task_id, key

_ENTRY_BYTES = 200  # what an empty entry weighs


class XComCache:
    """Least recently used task instances go first once ``bytes_max`` is exceeded."""

    def __init__(self, bytes_max: int = 64 << 20) -> None:
        self._bytes_max = bytes_max
        self._bytes = 0
        self._pushed: OrderedDict[tuple[int, str], dict[str, bytes]] = OrderedDict()

    def remember(self, effects: Effects) -> None:
        """Take over what a batch says about task instances that ended."""
        values: dict[int, dict[str, bytes]] = {}
        for record in effects.xcoms:
            values.setdefault(record.ti_id, {})[record.key] = record.value
        for ti in effects.tis_changed:
            if ti.map_index >= 0:
                continue
            place = ti.run_seq, ti.task_id
            if ti.state is TaskState.SUCCESS and (ti.attempt_id or ti.ti_id in values):
                self._put(place, values.get(ti.ti_id, {}))
            else:
                self._drop(place)

    def find(self, key: Key) -> tuple[bool, bytes | None]:
        """(is known, value); a value of None means that nothing was pushed."""
        place = key[0], key[1]
        pushed = self._pushed.get(place)
        if pushed is None:
            return False, None
        self._pushed.move_to_end(place)
        return True, pushed.get(key[2])

    def _put(self, place: tuple[int, str], pushed: dict[str, bytes]) -> None:
        self._drop(place)
        self._pushed[place] = pushed
        self._bytes += _weight(pushed)
        while self._bytes > self._bytes_max:
            _, oldest = self._pushed.popitem(last=False)
            self._bytes -= _weight(oldest)

    def _drop(self, place: tuple[int, str]) -> None:
        old = self._pushed.pop(place, None)
        if old is not None:
            self._bytes -= _weight(old)


def _weight(pushed: dict[str, bytes]) -> int:
    return _ENTRY_BYTES + sum(len(value) for value in pushed.values())
