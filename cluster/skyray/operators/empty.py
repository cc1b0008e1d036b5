"""A task that does nothing: for joining and grouping others."""

from __future__ import annotations

from skyray.sdk.context import Context
from skyray.sdk.operator import BaseOperator

__all__ = ["EmptyOperator"]


class EmptyOperator(BaseOperator):
    """Does nothing. The scheduler marks it as succeeded without starting a worker."""

    ui_color = "#e8f7e4"
    inherits_from_empty_operator = True

    def execute(self, context: Context) -> None:
        """Nothing."""
