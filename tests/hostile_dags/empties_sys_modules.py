"""A dag file of skyray that deletes every module."""

import sys

from skyray import DAG

dag = DAG("empties_sys_modules")
sys.modules.clear()
