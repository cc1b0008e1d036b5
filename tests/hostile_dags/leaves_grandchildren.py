"""A dag file of skyray that starts processes which hold on to its output, one of them in a session of its own."""

import os
import subprocess
import sys
from pathlib import Path

from skyray import DAG

PIDS = os.environ["HOSTILE_PIDS"]
program = f"import os, time; open({PIDS!r}, 'a').write(str(os.getpid()) + chr(10)); time.sleep(1000)"
for own_session in (False, True):
    subprocess.Popen([sys.executable, "-c", program], start_new_session=own_session)
while not os.path.exists(PIDS) or Path(PIDS).read_text().count("\n") < 2:
    pass

dag = DAG("leaves_grandchildren")
