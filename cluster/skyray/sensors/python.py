"""Waiting for a function: not supported yet. The names can be imported; using one is refused."""

from __future__ import annotations

from skyray.sdk.unsupported import unsupported

__all__ = ["PythonSensor"]

PythonSensor = unsupported("PythonSensor", "sensors")
