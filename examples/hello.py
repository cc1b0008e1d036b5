"""The smallest DAG: one task greets, the next one counts the letters of the greeting.

Shows: ``@dag``, ``@task``, and that handing one task's return value to another makes the second wait for the first.

    skyray dags submit examples/hello.py
    skyray dags trigger hello --wait
    skyray tasks logs hello RUN_ID greet
"""

from skyray import dag, task


@dag(schedule=None, tags=["example"])
def hello():
    @task
    def greet() -> str:
        print("Hello from a Ray task!")  # lands in the log of this attempt
        return "Hello, Skyray"

    @task
    def count_letters(text: str) -> int:
        return sum(letter.isalpha() for letter in text)

    count_letters(greet())


hello()
