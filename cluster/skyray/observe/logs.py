"""Where the lines of our own processes go: to standard error, each with its time, process and module. Not attempt logs.

Called once by whatever owns a process (an actor). Lines are events: a dotted name, then fields.
"""

from __future__ import annotations

import logging


def log_to_stderr(process: str, level: int = logging.INFO) -> None:
    """Write what the ``skyray`` loggers say to standard error, marked with the process's name. Again: no effect.

    >>> log_to_stderr("scheduler-0")
    """
    logger = logging.getLogger("skyray")
    if any(getattr(handler, "is_of_skyray", False) for handler in logger.handlers):
        return
    handler = logging.StreamHandler()
    handler.is_of_skyray = True  # type: ignore[attr-defined]
    handler.setFormatter(logging.Formatter(f"%(asctime)s %(levelname)s {process} %(name)s %(message)s"))
    logger.addHandler(handler)
    logger.setLevel(level)
    logger.propagate = False
