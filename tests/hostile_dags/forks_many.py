"""A dag file of skyray whose children have children, all of which wait for ever."""

import os
import signal

for _ in range(5):
    os.fork()
signal.pause()
