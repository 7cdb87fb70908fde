# What to type. Everything is kept in .venv, var and event_summary_charts of this directory.
PYTHON ?= python3
VENV ?= .venv
ETLD = $(VENV)/bin/etld
# What etld needs, and what its tests and linters need besides. Each is done when the file is there that is named after
# what was installed: a change of what is read installs anew.
RUN = deploy/embedded.txt
DEV = constraints.txt
STAMP = $(VENV)/.etld-run-$(shell cat pyproject.toml $(RUN) | cksum | tr -d ' ')
DEV_STAMP = $(VENV)/.etld-dev-$(shell cat pyproject.toml $(DEV) | cksum | tr -d ' ')

.PHONY: run bi stop setup setup-dev test test-unit test-bi test-registries test-deb test-image test-upgrade lint docs audit \
  lock dist deb image release bench faults cluster scale clean help
.DEFAULT_GOAL := help

help: ## This list.
	@sed -n 's/^\([a-z.-]*\):.*## /\1\t/p' $(MAKEFILE_LIST)

run: setup ## Install, start etld, send 600 sample events, show what became of them.
	@$(ETLD) demo --count 600

bi: setup ## Dashboards: run Superset beside etld, with its summaries in it (the first time some minutes, 830 MB).
	@$(ETLD) status >/dev/null 2>&1 || $(ETLD) start
	@$(ETLD) bi up $(ARGS)

stop: ## End the daemon and all its parts, and Superset where `make bi` runs it.
	@if [ -x $(ETLD) ] && [ -e var/superset ]; then $(ETLD) bi down; fi
	@if [ -x $(ETLD) ]; then $(ETLD) stop || [ $$? -eq 3 ]; else echo "etld is not installed here"; fi

setup: $(STAMP) ## Make .venv with etld and all it needs.

setup-dev: $(DEV_STAMP) ## The same, with the packages of the tests and linters.

$(STAMP):
	@sh deploy/install.sh $(PYTHON) $(VENV) $(RUN)
	@rm -f $(VENV)/.etld-* && touch $@

$(DEV_STAMP):
	@sh deploy/install.sh $(PYTHON) $(VENV) $(DEV)
	@rm -f $(VENV)/.etld-* && touch $@ $(STAMP)

test: setup-dev ## Run every test, with a small part of `make faults`, two files at a time (about 35 minutes).
	@$(VENV)/bin/python -m pytest -n 2 --dist loadfile $(ARGS)

# A third process works while tests of the two others wait for a time to pass.
test-unit: setup-dev ## The tests that need no broker, no database, no daemon and no other process (seconds).
	@$(VENV)/bin/python -m pytest -n 3 --dist worksteal -m 'not integration and not slow' tests/unit $(ARGS)

test-bi: setup-dev ## The tests with a real Superset, dbt and a browser, which `make test` leaves out (10 minutes, 1.2 GB once).
	@ETLD_TEST_BI=1 $(VENV)/bin/python -m pytest -n 0 tests/bi $(ARGS)

test-registries: setup-dev ## The registries' tests with a real Apicurio, which `make test` leaves out (Java 25, Maven; 160 MB once).
	@ETLD_TEST_REGISTRIES=1 $(VENV)/bin/python -m pytest -n 0 tests/contract/schemas/test_registry.py $(ARGS)

test-deb: setup-dev ## The test of the Debian package, which `make test` leaves out (root, mmdebstrap; 4 minutes).
	@ETLD_TEST_DEB=1 $(VENV)/bin/python -m pytest -n 0 tests/packages/test_deb.py $(ARGS)

test-image: setup-dev ## The test of the image, which `make test` leaves out (docker, podman or buildah; 3 minutes).
	@ETLD_TEST_IMAGE=1 $(VENV)/bin/python -m pytest -n 0 tests/packages/test_image.py $(ARGS)

test-upgrade: setup-dev ## The last release, upgraded to this one and back while requests come (2 minutes).
	@ETLD_TEST_UPGRADE=1 $(VENV)/bin/python -m pytest -n 0 tests/packages/test_upgrade.py $(ARGS)

lint: setup-dev ## ruff, mypy --strict, the import contract.
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

docs: setup-dev ## The documentation as a site, in var/site/html.
	@$(VENV)/bin/python deploy/site/reference.py var/site
	@$(VENV)/bin/zensical build --strict -f var/site/mkdocs.yml

audit: setup-dev ## Ask osv.dev for known vulnerabilities of what is installed, and list the licences.
	@$(VENV)/bin/python .ci/audit.py $(ARGS)

# setuptools builds etld: with --no-build-isolation it has to be there, pinned like the rest.
LOCK = echo 'setuptools>=77' | uv pip compile pyproject.toml - --universal --python-version 3.11 --generate-hashes \
  --no-header --no-annotate --quiet $(ARGS)
lock: ## Pin anew what pyproject.toml asks for, with hashes (needs uv; ARGS=--upgrade for newer versions).
	$(LOCK) --extra embedded --extra lake --extra dev -o constraints.txt
	$(LOCK) -c constraints.txt --extra embedded -o deploy/embedded.txt
	$(LOCK) -c constraints.txt -o deploy/requirements.txt
	echo 'uv>=0.9' | uv pip compile - --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	  --quiet $(ARGS) -o deploy/uv.txt
	echo 'cyclonedx-bom>=7' | uv pip compile - --universal --python-version 3.11 --generate-hashes --no-header \
	  --no-annotate --quiet $(ARGS) -o deploy/sbom.txt
	uv pip compile deploy/superset/superset.in --universal --python-version 3.11 --generate-hashes \
	  --no-header --no-annotate --quiet $(ARGS) -o etld/bi/superset/requirements.txt

dist: setup ## The wheel, the sdist and the list of their parts in dist/: the same bytes from the same commit.
	@$(VENV)/bin/python deploy/dist.py dist
	@PATH="$(abspath $(VENV))/bin:$$PATH" $(VENV)/bin/python deploy/sbom.py deploy/embedded.txt dist

DEB_PYTHON ?= /usr/bin/python3
deb: setup ## The Debian package in dist/, for the Debian or Ubuntu of this machine.
	@rm -rf build/deb && $(VENV)/bin/python deploy/dist.py build/deb
	@PATH="$(abspath $(VENV))/bin:$$PATH" $(DEB_PYTHON) deploy/deb.py build/deb/etld-*.whl dist

image: ## The image, by docker, podman or buildah, and the list of its parts in dist/ (ARGS for the builder; IMAGE=name).
	@IMAGE="$(IMAGE)" sh deploy/image.sh $(ARGS)

release: setup ## A release: VERSION=x.y.z in changelog, code and tag, and `make dist` of it. Pushes nothing.
	@$(VENV)/bin/python deploy/release.py "$(VERSION)"

SECRET = $$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')
.env: ## What docker compose reads, with passwords of its own.
	@umask 077; sed -e "s/^POSTGRES_PASSWORD=.*/POSTGRES_PASSWORD=$(SECRET)/" \
	  -e "s/^CONSOLE_PASSWORD=.*/CONSOLE_PASSWORD=$(SECRET)/" \
	  -e "s/^SUPERSET_PASSWORD=.*/SUPERSET_PASSWORD=$(SECRET)/" .env.example > $@
	@echo "wrote $@; docker compose up -d --build"

bench: setup-dev ## Measure etld against the physical limit of this machine (ARGS="--only NAME").
	@PYTHONPATH=tests $(VENV)/bin/python -m bench $(ARGS)

faults: setup-dev ## Kill, freeze and cut a real etld, and count every event (ARGS=--help).
	@PYTHONPATH=tests $(VENV)/bin/python -m faults $(ARGS)

cluster: setup-dev ## The same to many hosts, three brokers, a primary and a standby, on a network of its own (root; ARGS=--help).
	@PYTHONPATH=tests $(VENV)/bin/python -m cluster $(ARGS)

scale: setup-dev ## How much more two and three hosts do than one, each with a share of a core (root; ARGS=--help).
	@PYTHONPATH=tests $(VENV)/bin/python -m cluster.scale $(ARGS)

clean: stop ## Stop, and remove the daemon's data, charts and caches (asks nothing).
	rm -rf var event_summary_charts .mypy_cache .ruff_cache .import_linter_cache .hypothesis build dist *.egg-info
	find etld tests -name __pycache__ -prune -exec rm -rf {} +
