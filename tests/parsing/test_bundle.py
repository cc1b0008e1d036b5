"""Bundles are named by their content, leave out what is no source, and cannot harm who unpacks them."""

from __future__ import annotations

import io
import os
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from skyray.errors import InvalidInputError, NotFoundError
from skyray.parsing.bundle import Bundle, bundle_name, open_bundle, pack, unpack
from skyray.parsing.ignore import is_ignored, parse_rules

MB = 1 << 20


def write(root: Path, files: dict[str, str]) -> Path:
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return root


def names(bundle: Bundle) -> list[str]:
    return [path for path, _ in bundle.files]


def archive(entries: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as out:
        for name, data in entries.items():
            out.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    return content.getvalue()


def test_equal_files_make_an_equal_bundle_wherever_and_whenever(tmp_path: Path) -> None:
    files = {"b.py": "2", "a.py": "1", "sub/c.txt": "3"}
    first = pack(write(tmp_path / "one", files), max_bytes=MB, name="dags")
    again = write(tmp_path / "two", dict(reversed(files.items())))
    os.utime(again / "a.py", (1, 1))
    second = pack(again, max_bytes=MB, name="dags")
    assert first == second
    assert names(first) == ["a.py", "b.py", "sub/c.txt"]


def test_content_name_and_executable_bit_change_the_digest(tmp_path: Path) -> None:
    root = write(tmp_path / "dags", {"a.py": "1", "run.sh": "#!/bin/sh"})
    digests = {pack(root, max_bytes=MB).digest}
    (root / "run.sh").chmod(0o755)
    digests.add(pack(root, max_bytes=MB).digest)
    (root / "a.py").write_text("2")
    digests.add(pack(root, max_bytes=MB).digest)
    (root / "a.py").rename(root / "b.py")
    digests.add(pack(root, max_bytes=MB).digest)
    assert len(digests) == 4


def test_what_is_no_source_is_left_out(tmp_path: Path) -> None:
    root = write(
        tmp_path / "dags",
        {
            "a.py": "",
            "data/x.json": "",
            "__pycache__/a.cpython-311.pyc": "",
            "old.pyc": "",
            ".git/config": "",
            ".hidden/b.py": "",
            "venv/pyvenv.cfg": "",
            "venv/lib/c.py": "",
            "a.py~": "",
            ".a.py.swp": "",
            "big/kept.txt": "",
            "big/dropped.bin": "",
            "logs/x.log": "",
            ".skyrayignore": "big/*\n!big/kept.txt\nlogs/\n",
            "sub/.skyrayignore": "/only_here.txt\n",
            "sub/only_here.txt": "",
            "sub/deeper/only_here.txt": "",
            ".airflowignore": "data",
        },
    )
    os.mkfifo(root / "pipe")
    assert names(pack(root, max_bytes=MB)) == [
        ".airflowignore",
        ".skyrayignore",
        "a.py",
        "big/kept.txt",
        "data/x.json",
        "sub/.skyrayignore",
        "sub/deeper/only_here.txt",
    ]


def test_a_link_inside_is_packed_and_one_that_leaves_is_refused(tmp_path: Path) -> None:
    root = write(tmp_path / "dags", {"real.py": "x = 1", "folder/f.py": "y = 1"})
    (root / "link.py").symlink_to("real.py")
    (root / "linked").symlink_to("folder")
    (root / "dangling").symlink_to("nowhere")
    assert names(pack(root, max_bytes=MB)) == ["folder/f.py", "link.py", "linked/f.py", "real.py"]
    (root / "folder" / "secret").symlink_to("/etc/hostname")
    with pytest.raises(InvalidInputError, match=r"folder/secret is a link to /etc/hostname, outside of the folder"):
        pack(root, max_bytes=MB)
    write(root, {".skyrayignore": "secret"})
    assert "folder/secret" not in names(pack(root, max_bytes=MB))


def test_a_folder_that_links_to_its_parent_is_refused(tmp_path: Path) -> None:
    root = write(tmp_path / "dags", {"sub/a.py": ""})
    (root / "sub" / "up").symlink_to("..")
    with pytest.raises(InvalidInputError, match="sub/up is a link to a folder that holds it"):
        pack(root, max_bytes=MB)


def test_a_folder_that_is_a_link_itself_is_packed(tmp_path: Path) -> None:
    write(tmp_path / "release-7", {"a.py": ""})
    (tmp_path / "dags").symlink_to("release-7")
    bundle = pack(tmp_path / "dags", max_bytes=MB)
    assert (bundle.name, names(bundle)) == ("dags", ["a.py"])


def test_too_large_names_size_limit_and_the_largest_files(tmp_path: Path) -> None:
    root = write(tmp_path, {f"{size}.bin": "x" * size for size in (10, 400, 20, 300, 500)})
    with pytest.raises(InvalidInputError) as caught:
        pack(root, max_bytes=1000)
    for part in ("1230", "1000", "500.bin (500)", "400.bin (400)", "300.bin (300)"):
        assert part in caught.value.message
    assert "20.bin" not in caught.value.message


def test_one_file(tmp_path: Path) -> None:
    write(tmp_path, {"etl.py": "x = 1", "other.txt": ""})
    bundle = pack(tmp_path / "etl.py", max_bytes=MB)
    assert (bundle.name, names(bundle)) == ("etl", ["etl.py"])
    with pytest.raises(InvalidInputError, match=r"neither a folder nor a \.py file"):
        pack(tmp_path / "other.txt", max_bytes=MB)
    with pytest.raises(NotFoundError, match=r"missing\.py does not exist"):
        pack(tmp_path / "missing.py", max_bytes=MB)


@pytest.mark.parametrize("name", ["../x", "a/b", "", "a b", ".hidden", "x" * 251])
def test_a_bundle_name_is_checked(name: str) -> None:
    with pytest.raises(InvalidInputError):
        open_bundle(name, archive({"a.py": b""}), max_bytes=MB)


def test_bundle_name_is_made_safe() -> None:
    assert bundle_name(Path("/x/my dags!")) == "my_dags_"
    assert bundle_name(Path("/x/.dags")) == "dags"
    assert bundle_name(Path("/")) == "bundle"


def test_unpack_gives_the_files_back(tmp_path: Path) -> None:
    root = write(tmp_path / "dags", {"a.py": "x = 1", "sub/run.sh": "#!/bin/sh"})
    (root / "sub/run.sh").chmod(0o755)
    bundle = pack(root, max_bytes=MB)
    into = tmp_path / "cache" / bundle.digest
    unpack(bundle.content, into, max_bytes=MB, digest=bundle.digest)
    unpack(b"not looked at, since it is there already", into, max_bytes=MB)
    assert pack(into, max_bytes=MB, name="dags") == bundle
    assert (into / "sub/run.sh").stat().st_mode & stat.S_IXUSR
    assert os.listdir(into.parent) == [bundle.digest]
    assert open_bundle("dags", bundle.content, max_bytes=MB) == bundle


def test_a_damaged_bundle_leaves_nothing_behind(tmp_path: Path) -> None:
    root = write(tmp_path / "dags", {"a.py": "x = 1" * 1000})
    content = pack(root, max_bytes=MB).content
    into = tmp_path / "cache" / "x"
    with pytest.raises(InvalidInputError, match="it is damaged"):
        unpack(content, into, max_bytes=MB, digest="0" * 64)
    middle = len(content) // 3
    for broken in (content[:-30], b"", b"PK garbage", content[:middle] + b"\xff\xff\xff\xff" + content[middle + 4 :]):
        with pytest.raises(InvalidInputError):
            unpack(broken, into, max_bytes=MB)
    assert not os.listdir(into.parent)


@pytest.mark.parametrize(
    "path", ["../evil.py", "/etc/evil", "a/../../evil", "a\\..\\evil", "./a", "a//b", "..", "a/./b"]
)
def test_paths_that_leave_the_folder_are_refused(tmp_path: Path, path: str) -> None:
    with pytest.raises(InvalidInputError, match="not accepted"):
        unpack(archive({"fine.py": b"", path: b"x"}), tmp_path / "into", max_bytes=MB)
    assert not (tmp_path / "into").exists()


def test_links_in_an_archive_are_refused(tmp_path: Path) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as out:
        entry = zipfile.ZipInfo("link")
        entry.create_system, entry.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        out.writestr(entry, "/etc/passwd")
    with pytest.raises(InvalidInputError, match="'link'"):
        unpack(content.getvalue(), tmp_path / "into", max_bytes=MB)


def test_a_zip_bomb_is_refused(tmp_path: Path) -> None:
    bomb = archive({"zeros": bytes(50 * MB)})
    assert len(bomb) < MB
    with pytest.raises(InvalidInputError, match="unpacks to more than 1048576 bytes"):
        unpack(bomb, tmp_path / "into", max_bytes=MB)


@pytest.mark.parametrize(
    ("pattern", "ignored", "kept"),
    [
        ("*.txt", ["a.txt", "x/y/a.txt"], ["a.txtx", "txt"]),
        ("/a", ["a", "a/b"], ["x/a"]),
        ("a/b", ["a/b", "a/b/c"], ["x/a/b"]),
        ("logs/", ["logs/a", "x/logs/a"], ["logs"]),
        ("**/tmp/*", ["tmp/a", "x/tmp/a"], ["tmp"]),
        ("a/**/z", ["a/z", "a/b/c/z"], ["z", "b/z"]),
        ("a/**", ["a/b", "a/b/c"], ["b"]),
        ("[ab]?", ["ax", "x/b1"], ["cx", "a"]),
        ("[!a]x", ["bx"], ["ax"]),
        ("# a\n\\#b", ["#b"], ["# a", "b"]),
        ("*\n!keep.py", ["a.py"], ["keep.py"]),
        ("a+b(c).py", ["a+b(c).py"], ["aab.py"]),
    ],
)
def test_patterns_mean_what_gitignore_says(pattern: str, ignored: list[str], kept: list[str]) -> None:
    rules = [parse_rules(pattern)]
    assert [path for path in ignored if not is_ignored(rules, path)] == []
    assert [path for path in kept if is_ignored(rules, path)] == []


def test_bundle_imports_nothing_heavy() -> None:
    program = "import sys; import skyray.parsing.bundle; print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not {"ray", "sqlalchemy", "psycopg2", "grpc", "pendulum", "jinja2", "asyncio"} & set(found.stdout.split())
