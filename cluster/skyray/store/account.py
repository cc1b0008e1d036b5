"""The account that runs an embedded Postgres, and which folders that account can reach.

Postgres refuses to run as root. As any other user it simply runs as that user (``account()`` is None). As root it runs
as the first of ``pgserver``, ``postgres``, ``skyray-postgres`` that exists; the last is made where none does. Called by
embedded.py only.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skyray.errors import InvalidInputError

CANDIDATES = ("pgserver", "postgres", "skyray-postgres")
_HINT = "create a user named skyray-postgres, start as another user than root, or set a database_url"


@dataclass(frozen=True, slots=True)
class Account:
    """An unprivileged user that a child process can become."""

    name: str
    uid: int
    gid: int

    def popen_options(self) -> dict[str, Any]:
        """Keyword arguments of ``subprocess.run`` and ``Popen`` that make the child run as this user."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def can_reach(self, path: Path) -> bool:
        """True if this user can enter the folder (or execute the file) at ``path``; asked by becoming that user."""
        try:
            done = subprocess.run(
                ["/bin/sh", "-c", 'test -x "$0"', str(path)], check=False, cwd="/", **self.popen_options()
            )
        except (PermissionError, OSError, subprocess.SubprocessError) as error:
            raise InvalidInputError(
                f"cannot become the user {self.name!r} that has to run Postgres: {error}", hint=_HINT
            ) from None
        return done.returncode == 0


def account() -> Account | None:
    """The account to run Postgres as, or None where the current user will do.

    Raises ``InvalidInputError`` if we are root and there is no such account and none can be made.
    """
    if os.geteuid() != 0:
        return None
    for name in CANDIDATES:
        if (found := _lookup(name)) is not None:
            return found
    name = CANDIDATES[-1]
    useradd = shutil.which("useradd", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")
    if useradd is None:
        raise InvalidInputError("Postgres refuses to run as root, and there is no other account to run it", hint=_HINT)
    command = [useradd, "--system", "--no-create-home", "--shell", "/bin/false", name]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    found = _lookup(name)  # also right where another process has just made it
    if found is None:
        raise InvalidInputError(
            f"could not create the user {name!r} to run Postgres: {done.stderr.strip()}", hint=_HINT
        )
    return found


def _lookup(name: str) -> Account | None:
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return None
    return Account(name, entry.pw_uid, entry.pw_gid)
