"""A dag file of skyray that prints 20 MB."""

from skyray import DAG

for _ in range(20_000):
    print("x" * 1000)

dag = DAG("prints_a_lot")
