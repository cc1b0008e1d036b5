"""Two bundles in one process never see each other's modules, and what a DAG file defines works like any module's."""

from __future__ import annotations

import importlib
import pickle
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from skyray.errors import ConflictError, NotFoundError
from skyray.parsing.isolation import BUNDLES, BundleModules
from skyray.parsing.loader import bundle_modules, cached_dags, load_dags, module_name

FILE = """
from skyray import DAG
import helper
dag = DAG(helper.NAME)
def lazily():
    import lazy_helper
    return lazy_helper.NAME
dag.lazily = lazily
"""


@pytest.fixture(autouse=True)
def _no_bundle() -> Iterator[None]:
    yield
    BUNDLES.forget()


def bundle(root: Path, **files: str) -> Path:
    root.mkdir(parents=True)
    for name, text in files.items():
        path = root / (name.replace("__slash__", "/") + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def named(root: Path, name: str) -> Path:
    text = f"NAME = {name!r}"
    return bundle(root, etl=FILE, helper=text, lazy_helper=text, package__slash____init__="", package__slash__part=text)


def test_modules_of_one_name_stay_apart_also_when_imported_late(tmp_path: Path) -> None:
    one, two = named(tmp_path / "1", "one"), named(tmp_path / "2", "two")
    for _ in range(3):
        for root, name in ((one, "one"), (two, "two")):
            (dag,) = cached_dags(root, "etl.py", name)
            with bundle_modules(root, name):
                assert (dag.dag_id, dag.lazily()) == (name, name)  # type: ignore[attr-defined]
                assert name == sys.modules["helper"].NAME
                assert name == importlib.import_module("package.part").NAME
                assert [entry for entry in sys.path if str(tmp_path) in entry] == [str(root)]


def test_a_module_is_the_same_when_its_bundle_comes_back(tmp_path: Path) -> None:
    one, two = named(tmp_path / "1", "one"), named(tmp_path / "2", "two")
    with bundle_modules(one, "one"):
        first = importlib.import_module("package.part")
    with bundle_modules(two, "two"):
        pass
    with bundle_modules(one, "one"):
        assert importlib.import_module("package.part") is first


def test_leaving_puts_everything_back(tmp_path: Path) -> None:
    path, modules = list(sys.path), set(sys.modules)
    load_dags(named(tmp_path / "1", "one"), "etl.py", digest="one")
    BUNDLES.forget()
    assert sys.path == path
    assert not [name for name in set(sys.modules) - modules if "helper" in name or "etl" in name]


def test_parts_of_a_shared_namespace_stay_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = bundle(tmp_path / "library", company__slash__shared="NAME = 'shared'")
    monkeypatch.syspath_prepend(str(library))
    importlib.import_module("company.shared")
    for name in ("one", "two", "one"):
        root = tmp_path / name
        if not root.exists():
            bundle(root, company__slash__own=f"NAME = {name!r}")
        with bundle_modules(root, name):
            namespace: dict[str, object] = {}
            exec("from company import own, shared", namespace)
            assert (name, "shared") == (namespace["own"].NAME, namespace["shared"].NAME)  # type: ignore[attr-defined]
    del sys.modules["company"], sys.modules["company.shared"]


def test_another_bundle_cannot_be_entered_while_one_is_in_use(tmp_path: Path) -> None:
    one, two = named(tmp_path / "1", "one"), named(tmp_path / "2", "two")
    with bundle_modules(one, "one"):
        with pytest.raises(ConflictError, match="cannot be entered while one is in use"), bundle_modules(two, "two"):
            pass
        with bundle_modules(one, "one"):
            pass
        with pytest.raises(ConflictError):
            BUNDLES.forget()
    with bundle_modules(two, "two"):
        pass


def test_threads_may_share_a_bundle(tmp_path: Path) -> None:
    root = named(tmp_path / "1", "one")
    seen: list[str] = []

    def work() -> None:
        with bundle_modules(root, "one"):
            seen.append(importlib.import_module("helper").NAME)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == ["one"] * 8


def test_only_so_many_bundles_are_kept_aside(tmp_path: Path) -> None:
    modules = BundleModules(kept_aside_max=2)
    for name in "abcd":
        with modules.use(named(tmp_path / name, name), name):
            importlib.import_module("helper")
    assert [digest for _, digest in modules._aside] == ["b", "c"]
    modules.forget()


def test_using_the_same_bundle_again_takes_microseconds(tmp_path: Path) -> None:
    root = named(tmp_path / "1", "one")
    cached_dags(root, "etl.py", "one")
    began = time.perf_counter()
    for _ in range(1000):
        with bundle_modules(root, "one"):
            pass
    assert (time.perf_counter() - began) / 1000 < 100e-6


def test_a_file_named_like_a_library_does_not_hide_it(tmp_path: Path) -> None:
    text = "from skyray import DAG\nimport json\ndag = DAG(json.dumps(1))"
    assert [dag.dag_id for dag in load_dags(bundle(tmp_path / "1", json=text), "json.py", digest="x")] == ["1"]
    assert hasattr(sys.modules["json"], "loads")


def test_what_is_defined_in_a_dag_file_can_be_pickled_and_looked_up(tmp_path: Path) -> None:
    text = """
from __future__ import annotations
import dataclasses, typing
from skyray import DAG
@dataclasses.dataclass
class Point:
    x: int
    kind: typing.ClassVar[str] = "point"
def double(point: Point) -> Point:
    return Point(point.x * 2)
dag = DAG("pickles")
dag.found = (Point, double, __file__, __name__)
"""
    root = bundle(tmp_path / "1", pickles=text)
    (dag,) = load_dags(root, "pickles.py", digest="x")
    point, double, file, name = dag.found  # type: ignore[attr-defined]
    assert (file, name) == (str(root / "pickles.py"), module_name("pickles.py", "x"))
    assert pickle.loads(pickle.dumps(double)) is double
    assert pickle.loads(pickle.dumps(point(2))) == point(2)
    assert [each.name for each in __import__("dataclasses").fields(point)] == ["x"]


def test_other_ray_workers_get_the_code_not_the_name(tmp_path: Path) -> None:
    cloudpickle = pytest.importorskip("ray.cloudpickle")
    root = bundle(
        tmp_path / "1",
        etl="from skyray import DAG\nimport helper\ndag = DAG('d')\ndag.f = lambda: helper.double(21)",
        helper="def double(x): return 2 * x",
    )
    (dag,) = load_dags(root, "etl.py", digest="x")
    pickled = cloudpickle.dumps(dag.f)  # type: ignore[attr-defined]
    BUNDLES.forget()
    assert pickle.loads(pickled)() == 42


def test_a_file_is_imported_once_for_a_worker_and_anew_by_load_dags(tmp_path: Path) -> None:
    root = named(tmp_path / "1", "one")
    first = cached_dags(root, "etl.py", "one")
    assert cached_dags(root, "etl.py", "one") is first
    assert load_dags(root, "etl.py", digest="one")[0] is not first[0]


def test_a_failed_import_leaves_no_half_made_module(tmp_path: Path) -> None:
    root = bundle(tmp_path / "1", broken="x = 1\nraise ValueError('no')")
    for _ in range(2):
        with pytest.raises(ValueError, match="no"):
            cached_dags(root, "broken.py", "x")
    assert module_name("broken.py", "x") not in sys.modules


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"bundle x has no file nothing\.py"):
        load_dags(bundle(tmp_path / "1"), "nothing.py", digest="x")
