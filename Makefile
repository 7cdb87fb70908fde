# What to type. Everything is kept in .venv, var and event_summary_charts of this directory.
PYTHON ?= python3
VENV ?= .venv
ETLD = $(VENV)/bin/etld
PIP = $(VENV)/bin/python -m pip install --disable-pip-version-check --retries 5
# Named after what it installed: a change of either file installs anew.
STAMP = $(VENV)/.etld-$(shell cat pyproject.toml constraints.txt | cksum | tr -d ' ')

.PHONY: run stop setup test test-unit lint audit lock bench faults clean help
.DEFAULT_GOAL := help

help: ## This list.
	@sed -n 's/^\([a-z.-]*\):.*## /\1\t/p' $(MAKEFILE_LIST)

run: setup ## Install, start etld, send 600 sample events, show what became of them.
	@$(ETLD) demo --count 600

stop: ## End the daemon and all its parts.
	@if [ -x $(ETLD) ]; then $(ETLD) stop || [ $$? -eq 3 ]; else echo "etld is not installed here"; fi

setup: $(STAMP) ## Make .venv with etld and all it needs.

$(STAMP):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "etld needs Python 3.11 or newer: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(VENV)/bin/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV) \
	  || { rm -rf $(VENV); echo "$(PYTHON) cannot make a virtual environment: install its venv package (Debian, Ubuntu: python3-venv)" >&2; exit 1; }
	@echo "Installing etld and what it needs into $(VENV)"
	@$(PIP) --no-deps --require-hashes -r constraints.txt
	@$(PIP) --no-deps --no-build-isolation -e .
	@rm -f $(VENV)/.etld-* && touch $@

test: setup ## Run every test, with a small part of `make faults`, two files at a time (about 35 minutes).
	@$(VENV)/bin/python -m pytest -n 2 --dist loadfile $(ARGS)

test-unit: setup ## The tests that need no broker, no database, no daemon and no other process (seconds).
	@$(VENV)/bin/python -m pytest -n 2 -m 'not integration and not slow' tests/unit $(ARGS)

lint: setup ## ruff, mypy --strict, the import contract.
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

audit: setup ## Ask osv.dev for known vulnerabilities of what is installed, and list the licences.
	@$(VENV)/bin/python .ci/audit.py $(ARGS)

# setuptools builds etld: with --no-build-isolation it has to be there, pinned like the rest.
LOCK = echo 'setuptools>=77' | uv pip compile pyproject.toml - --universal --python-version 3.11 --generate-hashes \
  --no-header --no-annotate --quiet $(ARGS)
lock: ## Pin anew what pyproject.toml asks for, with hashes (needs uv; ARGS=--upgrade for newer versions).
	$(LOCK) --extra embedded --extra dev -o constraints.txt
	$(LOCK) -c constraints.txt -o deploy/requirements.txt

SECRET = $$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')
.env: ## What docker compose reads, with passwords of its own.
	@umask 077; sed -e "s/^POSTGRES_PASSWORD=.*/POSTGRES_PASSWORD=$(SECRET)/" \
	  -e "s/^CONSOLE_PASSWORD=.*/CONSOLE_PASSWORD=$(SECRET)/" .env.example > $@
	@echo "wrote $@; docker compose up -d --build"

bench: setup ## Measure etld against the physical limit of this machine (ARGS="--only NAME").
	@PYTHONPATH=tests $(VENV)/bin/python -m bench $(ARGS)

faults: setup ## Kill, freeze and cut a real etld, and count every event (ARGS=--help).
	@PYTHONPATH=tests $(VENV)/bin/python -m faults $(ARGS)

clean: stop ## Stop, and remove the daemon's data, charts and caches (asks nothing).
	rm -rf var event_summary_charts .mypy_cache .ruff_cache .import_linter_cache .hypothesis build *.egg-info
	find etld tests -name __pycache__ -prune -exec rm -rf {} +
