"""A process that leads: ``python lock_holder.py URL PARTITION HOLDER``. Prints each epoch it gets, beats, never ends.

Run by test_leader_lock.py, which kills or freezes it.
"""

from __future__ import annotations

import sys
import threading

from skyray.store.leader_lock import LeaderLock

if __name__ == "__main__":
    _, url, partition, holder = sys.argv
    lock = LeaderLock(url, int(partition), holder)
    print(lock.acquire(threading.Event()), flush=True)
    while True:
        threading.Event().wait(0.1)
        lock.beat()
