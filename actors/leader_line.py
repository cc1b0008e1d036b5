"""What is between an executor and the leader of one partition, for one session: reports to be told, and how.

Mostly a connection (the leader's end is executor_line.py). Where there can be none, the leader's messages are calls of
the actor, and ``next_reports`` answers its poll. Both ways the leader asks for the next reports when it has taken in
the last, so they gather here while it is busy. On the executor's event loop.
"""

from __future__ import annotations

import asyncio
import pickle
from collections import deque
from typing import Protocol

from skyray.actors import frames
from skyray.actors.channel import Channel, Listener
from skyray.actors.frames import Frame, frame, unpack_ids
from skyray.actors.wire import Assignment, WireReport

POLL_SECONDS = 20.0
REPORTS_MAX = 500  # in one message


class Orders(Protocol):
    """What a leader may ask of an executor."""

    def take_on(self, line: LeaderLine, assignments: list[Assignment]) -> None: ...
    def stop(self, line: LeaderLine, attempt_ids: list[int]) -> None: ...
    def forget(self, attempt_ids: list[int]) -> None: ...


class LeaderLine:
    """One session. ``channel.Guest`` for its leader."""

    def __init__(self, partition: int, epoch: int, session: int, *, orders: Orders, listener: Listener | None) -> None:
        self.partition = partition
        self.epoch = epoch
        self.session = session
        self._orders = orders
        self._listener = listener
        self.invitation = listener.invite(self) if listener is not None else None
        self._loop = asyncio.get_running_loop()
        self._unsent: deque[WireReport] = deque()
        self._news = asyncio.Event()
        self._channel: Channel | None = None
        self._is_over = False
        self._is_asked = False  # the leader waits for the next reports
        self._is_answer_due = False
        self._patience: asyncio.TimerHandle | None = None

    def tell(self, report: WireReport) -> None:
        """A report for the leader."""
        self._unsent.append(report)
        self._news.set()
        if self._is_asked and not self._is_answer_due:
            self._is_answer_due = True
            self._loop.call_soon(self._answer)  # with whatever else comes in the same moment

    async def next_reports(self) -> list[WireReport]:
        """What is new; waits for the first, up to ``POLL_SECONDS``."""
        if not self._unsent:
            self._news.clear()
            try:
                await asyncio.wait_for(self._news.wait(), POLL_SECONDS)
            except asyncio.TimeoutError:
                return []
        return self._take()

    def end(self) -> None:
        """A newer session begins: this one gets no more reports, and gives no more orders."""
        self._is_over = True
        self._news.set()
        if self._channel is not None:
            self._channel.close()
        elif self._listener is not None and self.invitation is not None:
            self._listener.forget(self.invitation)

    # ------------------------------------------------------------------------------------------- from the connection
    def arrived(self, channel: Channel) -> None:
        """From the channel: the leader is here."""
        self._channel = channel
        if self._is_over:
            channel.close()

    def said(self, news: list[Frame]) -> None:
        """From the channel: orders."""
        for kind, _, body in news:
            if self._is_over:
                return
            if kind == frames.SUBMIT:
                self._orders.take_on(self, pickle.loads(body))
            elif kind == frames.CANCEL_ALL:
                self._orders.stop(self, list(unpack_ids(body)))
            elif kind == frames.GO:
                self._orders.forget(list(unpack_ids(body)))
                self._is_asked = True
                self._forget_patience()
                if self._unsent:
                    self._answer()
                else:
                    self._patience = self._loop.call_later(POLL_SECONDS, self._answer)

    def left(self, *, is_complete: bool) -> None:
        """From the channel: the leader is gone, or will attach anew."""
        self._is_asked = False
        self._forget_patience()

    def _answer(self) -> None:
        self._is_answer_due = False
        if self._is_asked and self._channel is not None and not self._is_over:
            self._is_asked = False
            self._forget_patience()
            self._channel.send(frame(frames.REPORTS, body=pickle.dumps(self._take(), pickle.HIGHEST_PROTOCOL)))

    def _forget_patience(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _take(self) -> list[WireReport]:
        count = min(len(self._unsent), REPORTS_MAX)
        return [self._unsent.popleft() for _ in range(count)]
