"""The operator of ``@task.bash``: a function whose return value is the command."""

from __future__ import annotations

from typing import Any, ClassVar

from skyray.operators.bash import BashOperator
from skyray.operators.python import PythonOperator
from skyray.sdk.context import Context

__all__ = ["BashTask"]


class BashTask(PythonOperator, BashOperator):
    """A function that returns the command."""

    custom_operator_name = "@task.bash"
    template_fields = (*PythonOperator.template_fields, "env", "cwd")
    template_fields_renderers: ClassVar[dict[str, str]] = {
        **PythonOperator.template_fields_renderers,
        **BashOperator.template_fields_renderers,
    }
    template_ext = BashOperator.template_ext
    ui_color = BashOperator.ui_color

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(bash_command="", **kwargs)

    def execute(self, context: Context) -> Any:
        command = self.call(context)
        if not isinstance(command, str) or not command.strip():
            raise TypeError(f"a @task.bash function must return a command, as a string; got {command!r}")
        self.bash_command = command
        return BashOperator.execute(self, context)
