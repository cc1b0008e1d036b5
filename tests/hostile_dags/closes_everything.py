"""A dag file of skyray that closes every descriptor."""

import os

from skyray import DAG

os.closerange(0, 65536)

dag = DAG("closes_everything")
