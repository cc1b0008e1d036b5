# One word a task; `make help` lists them. Everything runs in a virtual environment of the repository's own.
#   VENV=dir      where that environment is (default .venv)
#   PYTHON=python3.12   what it is made with (default python3; 3.10 to 3.13)
#   ARGS="-k pools"     more arguments for `make test`, `make demo` and `make bench`

VENV ?= .venv
PYTHON ?= python3
ARGS ?=
PY := $(VENV)/bin/python
RUN_STAMP := $(VENV)/.installed
DEV_STAMP := $(VENV)/.installed-dev
.DEFAULT_GOAL := help
.PHONY: help venv dev demo test check format protos bench clean

help: ## List the tasks
	@awk -F':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

venv: $(RUN_STAMP) ## Make the virtual environment and install Skyray in it

dev: $(DEV_STAMP) ## … and what tests, linters and protos need

demo: $(RUN_STAMP) ## Run every example on a local Ray and an embedded Postgres, and report
	@$(VENV)/bin/skyray demo --examples examples $(ARGS)

test: $(DEV_STAMP) ## Run the tests
	@$(PY) -m pytest $(ARGS)

check: $(DEV_STAMP) ## Lint, types, import directions, stale protos
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(VENV)/bin/lint-imports
	$(PY) protos/generate.py --check

format: $(DEV_STAMP) ## Format the code, and mend what the linter can
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

protos: $(DEV_STAMP) ## Generate cluster/skyray/admin/v1 from protos/
	$(PY) protos/generate.py

bench: $(DEV_STAMP) ## Measure Skyray beside raw Ray on this machine
	@$(PY) -m benchmarks $(ARGS)

clean: ## Remove what was built, the environment too
	@if [ -e $(VENV)/pyvenv.cfg ]; then echo rm -rf $(VENV); rm -rf $(VENV); fi
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis cluster/*.egg-info

$(PY):
	@command -v $(PYTHON) >/dev/null || { echo "There is no $(PYTHON); PYTHON=… names another." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' || { \
	  echo "Skyray needs Python 3.10 to 3.13, but $(PYTHON) is $$($(PYTHON) -V 2>&1); PYTHON=… names another." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "$(PYTHON) cannot make virtual environments. On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(RUN_STAMP): pyproject.toml | $(PY)
	$(PY) -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(DEV_STAMP): pyproject.toml | $(PY)
	$(PY) -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@ $(RUN_STAMP)
