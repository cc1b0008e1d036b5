"""A dag file of skyray that kills the process that it was forked from."""

import os
import signal

os.kill(os.getppid(), signal.SIGKILL)
signal.pause()
