"""The operator of ``@task.bash``: a function whose return value is the command."""

from __future__ import annotations

from typing import Any, ClassVar

from skyray.operators.bash import BashOperator
from skyray.operators.python import PythonOperator
from skyray.sdk.context import Context
from skyray.sdk.unsupported import refuse

__all__ = ["BashTask"]


class BashTask(PythonOperator, BashOperator):
    """A function that returns the command."""

    custom_operator_name = "@task.bash"
    template_fields = (*PythonOperator.template_fields, "env", "cwd")
    template_fields_renderers: ClassVar[dict[str, str]] = {
        **PythonOperator.template_fields_renderers,
        **BashOperator.template_fields_renderers,
    }
    template_ext = ()  # arguments of the function that happen to end in .sh are no template files
    ui_color = BashOperator.ui_color

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(bash_command="", **kwargs)

    def execute(self, context: Context) -> Any:
        command = self.call(context)
        if not isinstance(command, str) or not command.strip():
            raise TypeError(f"a @task.bash function must return a command, as a string; got {command!r}")
        self.bash_command = _rendered(command, context)
        return BashOperator.execute(self, context)


def _rendered(command: str, context: Context) -> str:
    """The command with the templates in it rendered, as in Airflow; plain commands need no rendering."""
    if "{{" not in command and "{%" not in command:
        return command
    render = getattr(context.get("ti"), "render_text", None)
    if render is None:
        refuse("a template in what a @task.bash function returns", hint="take values from the function's parameters")
    return str(render(command))
