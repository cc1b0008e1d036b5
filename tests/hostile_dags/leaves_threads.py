"""A dag file of skyray that leaves threads behind, which would keep Python from ending."""

import threading

from skyray import DAG

for _ in range(3):
    threading.Thread(target=threading.Event().wait).start()

dag = DAG("leaves_threads")
