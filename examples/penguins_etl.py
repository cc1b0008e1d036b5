"""Extract, transform, load – with the measurements of 344 real penguins, shipped beside this file.

Shows: TaskFlow with several inputs and outputs, reading a file of the bundle (the whole folder travels to the
worker), ``multiple_outputs``, and checking data where it enters instead of trusting it.

    skyray dags submit examples
    skyray dags trigger penguins_etl --wait
    skyray tasks logs penguins_etl RUN_ID report

Data: Palmer Penguins (CC0), see data/README.md.
"""

import csv
from pathlib import Path
from statistics import mean

from skyray import dag, task

DATA = Path(__file__).parent / "data" / "penguins.csv"


@dag(schedule=None, tags=["example", "etl"])
def penguins_etl():
    @task
    def extract() -> list[dict[str, str]]:
        with DATA.open(newline="") as file:
            rows = list(csv.DictReader(file))
        print(f"{len(rows)} penguins")
        return rows

    @task(multiple_outputs=True)
    def clean(rows: list[dict[str, str]]) -> dict[str, object]:
        """Keep penguins that were measured. The two outputs are separate XComs."""
        measured = [row for row in rows if row["body_mass_g"] != "NA"]
        return {
            "penguins": [{"species": row["species"], "mass_g": int(row["body_mass_g"])} for row in measured],
            "dropped": len(rows) - len(measured),
        }

    @task
    def weigh(penguins: list[dict]) -> dict[str, float]:
        species = sorted({penguin["species"] for penguin in penguins})
        return {
            name: round(mean(penguin["mass_g"] for penguin in penguins if penguin["species"] == name), 1)
            for name in species
        }

    @task
    def report(mean_mass_g: dict[str, float], dropped: int) -> str:
        for name, mass in mean_mass_g.items():
            print(f"{name:<10} {mass:8.1f} g")
        print(f"{dropped} penguins were not weighed")
        heaviest = max(mean_mass_g, key=mean_mass_g.__getitem__)
        assert heaviest == "Gentoo", f"the data says that {heaviest} penguins are the heaviest"
        return heaviest

    cleaned = clean(extract())
    report(weigh(cleaned["penguins"]), cleaned["dropped"])


penguins_etl()
