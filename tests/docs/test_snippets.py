"""DAG files in the documentation are DAG files: whole ones load, and the one that is to be refused is refused."""

import ast
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from skyray.exceptions import AirflowTimetableInvalid
from skyray.parsing.isolation import BUNDLES
from skyray.parsing.loader import load_dags
from skyray.sdk.serialize import dag_to_spec

REPOSITORY = Path(__file__).parents[2]
PAGES = sorted([REPOSITORY / "README.md", *REPOSITORY.glob("docs/**/*.md")])
SNIPPETS = [
    pytest.param(snippet, id=f"{page.relative_to(REPOSITORY)}-{number}")
    for page in PAGES
    for number, snippet in enumerate(re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL))
]


@pytest.fixture(autouse=True)
def _no_bundle() -> Iterator[None]:
    yield
    BUNDLES.forget()


def is_whole_file(snippet: str) -> bool:
    return "from skyray import" in snippet and ("@dag(" in snippet or "with DAG(" in snippet)


@pytest.mark.parametrize("snippet", SNIPPETS)
def test_a_snippet_is_python_and_a_whole_file_loads(snippet: str, tmp_path: Path) -> None:
    ast.parse(snippet)
    if not is_whole_file(snippet):
        return
    (tmp_path / "snippet.py").write_text(snippet)
    digest = hashlib.sha256(snippet.encode()).hexdigest()
    if "0 0 31 2 *" in snippet:
        with pytest.raises(AirflowTimetableInvalid):
            load_dags(tmp_path, "snippet.py", digest=digest)
        return
    dags = load_dags(tmp_path, "snippet.py", digest=digest)
    assert dags
    for dag in dags:
        assert dag_to_spec(dag, relative_path="snippet.py").tasks


def test_there_are_whole_files_among_them() -> None:
    assert sum(is_whole_file(each.values[0]) for each in SNIPPETS) >= 5
