"""Train a small network to tell penguin species apart, on a GPU if the task got one, else on the CPU.

Shows: a machine-learning DAG – prepare, train, judge –, a task that skips itself with a message (here: where PyTorch
is missing), and a parameter for the number of epochs. For a GPU, say so: ``@task(num_gpus=1)``.

    pip install torch                     # on the machines of the cluster
    skyray dags submit examples
    skyray dags trigger torch_training --wait --conf '{"epochs": 300}'
"""

import csv
from pathlib import Path

from skyray import Param, dag, get_current_context, task
from skyray.exceptions import AirflowSkipException

DATA = Path(__file__).parent / "data" / "penguins.csv"
FEATURES = ("bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g")


@dag(schedule=None, tags=["example", "ml"], params={"epochs": Param(200, type="integer", minimum=1)})
def torch_training():
    @task
    def prepare() -> dict[str, list]:
        """Features scaled to mean 0 and deviation 1, and the species as a number."""
        with DATA.open(newline="") as file:
            rows = [row for row in csv.DictReader(file) if row["body_mass_g"] != "NA"]
        columns = [[float(row[name]) for row in rows] for name in FEATURES]
        means = [sum(column) / len(column) for column in columns]
        deviations = [
            (sum((value - mean) ** 2 for value in column) / len(column)) ** 0.5
            for column, mean in zip(columns, means, strict=True)
        ]
        species = sorted({row["species"] for row in rows})
        return {
            "features": [
                [
                    (float(row[name]) - mean) / deviation
                    for name, mean, deviation in zip(FEATURES, means, deviations, strict=True)
                ]
                for row in rows
            ],
            "labels": [species.index(row["species"]) for row in rows],
            "species": species,
        }

    @task
    def train(data: dict[str, list]) -> float:
        """The share of penguins, not seen in training, whose species the network names."""
        try:
            import torch  # here, not at the top: DAG files are parsed where PyTorch may be missing
        except ImportError:
            raise AirflowSkipException("PyTorch is not installed on this worker: pip install torch") from None
        device = "cuda" if torch.cuda.is_available() else "cpu"
        torch.manual_seed(1)
        order = torch.randperm(len(data["labels"]))
        features = torch.tensor(data["features"])[order].to(device)
        labels = torch.tensor(data["labels"])[order].to(device)
        seen = int(0.8 * len(labels))
        model = torch.nn.Sequential(
            torch.nn.Linear(len(FEATURES), 16), torch.nn.ReLU(), torch.nn.Linear(16, len(data["species"]))
        ).to(device)
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
        epochs = get_current_context()["params"]["epochs"]
        for epoch in range(epochs):
            loss = torch.nn.functional.cross_entropy(model(features[:seen]), labels[:seen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if epoch % 50 == 0:
                print(f"epoch {epoch:4d}  loss {loss.item():.3f}  on {device}")
        with torch.no_grad():
            right = (model(features[seen:]).argmax(1) == labels[seen:]).float().mean().item()
        print(f"{right:.1%} of {len(labels) - seen} unseen penguins recognised")
        return right

    @task
    def judge(share: float) -> None:
        assert share > 0.9, f"only {share:.1%} recognised"

    judge(train(prepare()))


torch_training()
