# make demo   set up, then recommend a grouping for the built-in weather data and say where the report is
# make test   set up, then run the tests;   make lint   the gates;   make bench   the benchmarks
# make faults inject every fault as often as was promised (about an hour) and write results/faults.md
#
# PY           the Python to build on (3.11 or newer)
# VENV         where the virtual environment goes
# CONSTRAINTS  the versions to install; constraints/open.txt for the newest, and for the CUDA build of torch
# ARGS         more arguments for pytest
# JOBS         processes that tests run in: one for those that start Ray, the others for the rest; 0 for none

PY ?= python3
VENV ?= .venv
CONSTRAINTS ?= constraints/cpu-py311.txt
ARGS ?=
JOBS ?= 2

BIN = $(VENV)/bin
STAMP = $(VENV)/.ready-$(basename $(notdir $(CONSTRAINTS)))

.PHONY: setup demo test lint bench faults clean

setup: $(STAMP)

$(STAMP): pyproject.toml $(CONSTRAINTS)
	@command -v $(PY) >/dev/null || { echo "error: '$(PY)' is not here; install Python 3.11 or newer, or say: make PY=/path/to/python" >&2; exit 1; }
	@$(PY) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "error: $(PY) is older than Python 3.11; say: make PY=python3.11" >&2; exit 1; }
	@$(PY) -c 'import ensurepip, venv' 2>/dev/null || { echo "error: $(PY) cannot make virtual environments; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@echo "Setting up $(VENV); this takes a few minutes once."
	@$(PY) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c $(CONSTRAINTS) -e '.[test,demo,balancing,cluster,postgres,service]'
	@rm -f $(VENV)/.ready-*
	@touch $@

demo: $(STAMP)
	@$(BIN)/taskgroup recommend configs/quickstart.yaml

test: $(STAMP)
	@$(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder $(ARGS)

lint: $(STAMP)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m pip check
	@$(BIN)/python -m pytest -q tests/test_top_level.py

bench: $(STAMP)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c $(CONSTRAINTS) -e '.[bench]'
	@$(BIN)/python -m tests.benchmarks.startup
	@$(BIN)/python -m tests.benchmarks.solver
	@$(BIN)/python -m tests.benchmarks.training
	@$(BIN)/python -m tests.benchmarks.halving
	@$(BIN)/python -m tests.benchmarks.evidence
	@$(BIN)/python -m tests.benchmarks.replay
	@$(BIN)/python -m tests.benchmarks.regret
	@$(BIN)/python -m tests.benchmarks.estimators
	@$(BIN)/python -m tests.benchmarks.stopping
	@$(BIN)/python -m tests.benchmarks.sharing
	@$(BIN)/python -m tests.benchmarks.tuning
	@$(BIN)/python -m tests.benchmarks.service
	@$(BIN)/python -m tests.benchmarks.scale

faults: $(STAMP)
	@$(BIN)/python -m tests.faults

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
