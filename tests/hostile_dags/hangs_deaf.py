"""A dag file of skyray that never ends, and wants to hear of nothing."""

import signal
import threading

for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:
    signal.signal(number, signal.SIG_IGN)
threading.Event().wait()
