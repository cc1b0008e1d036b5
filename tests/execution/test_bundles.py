"""A node fetches a bundle once, and takes nothing else for it."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from skyray.errors import InvalidInputError
from skyray.execution import bundles
from skyray.execution.bundles import bundle_root
from skyray.parsing.bundle import Bundle, pack


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    folder = tmp_path / "dags"
    (folder / "lib").mkdir(parents=True)
    (folder / "main.py").write_text("X = 1")
    (folder / "lib" / "help.py").write_text("Y = 2")
    return pack(folder, max_bytes=1 << 20)


def test_many_workers_fetch_once(bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundles, "_known", {})
    fetched: list[str] = []
    barrier = threading.Barrier(8)

    def work() -> Path:
        barrier.wait()
        return bundle_root(
            bundle.digest,
            tmp_path / "cache",
            lambda digest: fetched.append(digest) or bundle.content,
            max_bytes=1 << 20,
        )

    with ThreadPoolExecutor(8) as pool:
        roots = {future.result() for future in [pool.submit(work) for _ in range(8)]}
    (root,) = roots
    assert fetched == [bundle.digest]
    assert (root / "lib" / "help.py").read_text() == "Y = 2"
    assert root.name == bundle.digest


def test_process_that_dies_while_fetching_holds_up_nobody(bundle: Bundle, tmp_path: Path) -> None:
    script = (
        "import os, sys; from pathlib import Path; from skyray.execution.bundles import bundle_root\n"
        "bundle_root(sys.argv[1], Path(sys.argv[2]), lambda digest: os._exit(9), max_bytes=1)"
    )
    died = subprocess.run([sys.executable, "-c", script, bundle.digest, str(tmp_path / "cache")], timeout=60)
    assert died.returncode == 9
    root = bundle_root(bundle.digest, tmp_path / "cache", lambda _: bundle.content, max_bytes=1 << 20)
    assert (root / "main.py").exists()


def test_content_of_another_digest_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    wrong = "0" * 64
    for _ in range(2):
        with pytest.raises(InvalidInputError, match="damaged"):
            bundle_root(wrong, tmp_path / "cache", lambda _: bundle.content, max_bytes=1 << 20)
    assert not (tmp_path / "cache" / "bundles" / wrong).exists()


def test_bundle_that_unpacks_to_too_much_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError):
        bundle_root(bundle.digest, tmp_path / "cache", lambda _: bundle.content, max_bytes=3)
