"""Waiting for a while: not supported yet. The names can be imported; using one is refused."""

from __future__ import annotations

from skyray.sdk.unsupported import unsupported

__all__ = ["TimeDeltaSensor", "TimeDeltaSensorAsync", "WaitSensor"]

TimeDeltaSensor = unsupported("TimeDeltaSensor", "sensors")
TimeDeltaSensorAsync = unsupported("TimeDeltaSensorAsync", "sensors")
WaitSensor = unsupported("WaitSensor", "sensors")
