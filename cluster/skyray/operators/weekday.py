"""Branching by day of the week: not supported yet. The names can be imported; using one is refused."""

from __future__ import annotations

from skyray.sdk.unsupported import unsupported

__all__ = ["BranchDayOfWeekOperator"]

BranchDayOfWeekOperator = unsupported("BranchDayOfWeekOperator")
