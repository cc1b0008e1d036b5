"""Parameters with a schema, and templates that are filled in when a task runs.

Shows: ``Param`` (default, type, limits: a run with a conf that breaks them is refused), Jinja templates in an
operator's fields, macros, and the classic operators beside TaskFlow.

    skyray dags submit examples/params_and_templates.py
    skyray dags trigger params_and_templates --wait --conf '{"city": "Lyon", "days": 3}'
    skyray dags trigger params_and_templates --conf '{"days": 99}'      # refused: more than the schema allows
"""

from skyray import DAG, Param
from skyray.operators import BashOperator, PythonOperator

with DAG(
    "params_and_templates",
    schedule=None,
    tags=["example"],
    params={
        "city": Param("Berlin", type="string", minLength=1),
        "days": Param(1, type="integer", minimum=1, maximum=14, description="How many days ahead."),
    },
):
    forecast = BashOperator(
        task_id="forecast",
        # The last line of what the command prints is its XCom.
        bash_command='echo "run {{ run_id }}"; echo "{{ params.city }}: sunny for {{ params.days }} days"',
    )

    def publish(text: str, city: str) -> None:
        """Called with rendered arguments."""
        print(f"published: {text}")
        assert text.startswith(f"{city}: sunny"), text

    forecast >> PythonOperator(
        task_id="publish",
        python_callable=publish,
        op_kwargs={"text": "{{ ti.xcom_pull(task_ids='forecast') }}", "city": "{{ params.city }}"},
    )
