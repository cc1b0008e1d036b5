"""Processes are known for sure, and only those meant are ended."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys

from tests.support import wait_for

from skyray.actors import processes

SLEEP = [sys.executable, "-c", "import time; time.sleep(100)"]


def test_an_identity_is_of_one_process_only() -> None:
    child = subprocess.Popen(SLEEP)
    identity = processes.identify(child.pid)
    assert identity is not None
    assert identity.is_alive()
    impostor = dataclasses.replace(identity, started_ticks=identity.started_ticks + 1)
    processes.send(impostor, signal.SIGKILL)
    assert child.poll() is None, "a signal for another process with the same pid was sent"
    processes.send(identity, signal.SIGKILL)
    assert processes.wait_until_gone([identity], 5) == []
    assert not identity.is_alive()
    assert processes.identify(child.pid) is None
    processes.send(identity, signal.SIGKILL)  # nobody there: nothing happens


def test_a_zombie_counts_as_gone() -> None:
    child = subprocess.Popen(SLEEP)
    identity = processes.identify(child.pid)
    assert identity is not None
    child.kill()
    wait_for(lambda: not identity.is_alive(), "the zombie is no longer taken for alive")
    child.wait()


def test_a_session_is_found_after_its_leader_has_ended() -> None:
    script = "import subprocess, sys; subprocess.Popen(sys.argv[1:]); sys.stdin.read()"
    leader = subprocess.Popen([sys.executable, "-c", script, *SLEEP], start_new_session=True, stdin=subprocess.PIPE)
    identity = processes.identify(leader.pid)
    assert identity is not None
    wait_for(lambda: len(processes.session_members(identity)) == 2, "two members")
    members = processes.session_members(identity)
    leader.kill()
    leader.wait()
    assert leader.stdin is not None
    leader.stdin.close()
    left = processes.session_members(identity)
    assert set(left) == set(members) - {leader.pid}
    assert processes.session_members(dataclasses.replace(identity, boot_id="another boot")) == []
    rest = [each for each in map(processes.identify, left) if each]
    for each in rest:
        processes.send(each, signal.SIGKILL)
    assert processes.wait_until_gone(rest, 5) == []


def test_marked_processes_and_descendants_are_found() -> None:
    child = subprocess.Popen(SLEEP, env={**os.environ, "SKYRAY_TEST_MARK": "m1"})
    try:
        wait_for(lambda: processes.marked_processes("SKYRAY_TEST_MARK", "m1") == [child.pid], "the mark is found")
        assert processes.marked_processes("SKYRAY_TEST_MARK", "m") == []
        assert child.pid in processes.descendants([os.getpid()])
        assert os.getpid() not in processes.descendants([os.getpid()])
    finally:
        child.kill()
        child.wait()


def test_an_orphan_is_collected_by_who_adopted_it() -> None:
    """In a process of its own: being a subreaper cannot be undone for the children that come."""
    script = (
        "import os, subprocess, sys, time\n"
        "from skyray.actors.processes import adopt_orphans, reap\n"
        "adopt_orphans()\n"
        'middle = \'import subprocess, sys; print(subprocess.Popen([sys.executable, "-c", "pass"]).pid)\'\n'
        "orphan = int(subprocess.run([sys.executable, '-c', middle], capture_output=True).stdout)\n"
        "reap(10.0)\n"
        "sys.exit(os.path.exists(f'/proc/{orphan}'))\n"
    )
    assert subprocess.run([sys.executable, "-c", script], timeout=30).returncode == 0
