# Needs python3 (3.11 or newer) with venv, and make. Everything else comes with hashes from requirements/*.lock.

PYTHON ?= python3
VENV := .venv
PIP := $(VENV)/bin/python -m pip --disable-pip-version-check
UP := $(VENV)/.up-installed
DEV := $(VENV)/.dev-installed
DECLARED := pyproject.toml src/trimtab/__init__.py

RESOLVE := uv pip compile pyproject.toml --upgrade --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-header --quiet

.PHONY: help up test test-engine test-prometheus test-postgres test-browser screenshots bench lint format lock clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' Makefile | expand -t 20

up: $(UP) ## the demo: a tiny engine, the gateway and control, in ./demo
	@$(VENV)/bin/trimtab up --demo

test: $(DEV) ## every test that needs nothing but this machine
	$(VENV)/bin/pytest --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder -m "not engine and not prometheus and not postgres and not browser"

test-engine: $(DEV) ## the tests that need a real vLLM (installs one first)
	tests/engine/install_vllm.sh
	$(VENV)/bin/pytest -m engine

test-postgres: $(DEV) ## the journal of runs in a real PostgreSQL (installs Debian's first)
	tests/journal_runs/install.sh
	$(VENV)/bin/pytest -m postgres tests/journal_runs tests/processes/test_up_postgres.py

test-prometheus: $(DEV) ## rules, dashboards and scraping, with a real Prometheus (installs Debian's first)
	tests/prometheus/install.sh
	$(VENV)/bin/pytest -m prometheus

test-browser: $(DEV) ## every page of the console in a real Chromium (installs Debian's first)
	tests/browser/install.sh
	$(VENV)/bin/pytest --numprocesses auto --maxprocesses 2 --dist loadfile -m browser tests/browser

screenshots: $(DEV) ## the pictures of README and docs, taken anew (installs Debian's Chromium first)
	tests/browser/install.sh
	$(VENV)/bin/python -m tests.browser.screenshots

bench: $(DEV) ## the benchmarks; figures go to bench/RESULTS.md
	$(VENV)/bin/python -m bench all

lint: $(DEV) ## style, format and types
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy

format: $(DEV) ## puts the code into its form
	$(VENV)/bin/ruff check --fix
	$(VENV)/bin/ruff format

lock: ## resolves the versions of requirements/*.lock anew (needs uv)
	$(RESOLVE) --all-extras --group dev --output-file requirements/dev.lock
	$(RESOLVE) --constraint requirements/dev.lock --extra charts --extra control --extra demo --extra language --group build --group client --output-file requirements/up.lock

clean: ## removes the environment, caches and the demo's data; keeps edits of the demo project
	rm -rf $(VENV) demo/.trimtab build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find src tests bench -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/bin/python:
	@$(PYTHON) -m venv $(VENV)

$(UP): requirements/up.lock $(DECLARED) | $(VENV)/bin/python
	@echo "Setting up $(VENV): once, about a minute."
	@$(PIP) install --quiet --no-compile --require-hashes -r requirements/up.lock
	@$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(DEV): requirements/dev.lock $(DECLARED) | $(VENV)/bin/python
	@echo "Setting up $(VENV) for development: once, a minute or two."
	@$(PIP) install --quiet --require-hashes -r requirements/dev.lock
	@$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@ $(UP)
