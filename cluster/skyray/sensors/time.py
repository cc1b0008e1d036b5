"""Waiting for a time of day: not supported yet. The names can be imported; using one is refused."""

from __future__ import annotations

from skyray.sdk.unsupported import unsupported

__all__ = ["TimeSensor"]

TimeSensor = unsupported("TimeSensor", "sensors")
