# Two commands are enough: `make up` runs the product, `make test` runs the tests.

SHELL := /bin/bash
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VENV := .venv
PYTHON := $(VENV)/bin/python
# What runs writes under var/ alone.
export PYTHONDONTWRITEBYTECODE := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_ROOT_USER_ACTION := ignore
# A .venv whose Python was moved or removed is made anew.
_ := $(shell test ! -e $(VENV)/made || $(PYTHON) -c '' 2>/dev/null || rm -rf $(VENV))

.PHONY: help up test test-rest test-all test-deploy check coverage bench bench-check surge soak chaos conformance lighthouse audit install install-tests chromium pgbouncer client-tools clean

help: ## say what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

up: install ## install if needed, run everything, print the address (SIMULATOR=1: with simulated clouds)
	@exec $(PYTHON) manage.py up

install: $(VENV)/installed ## make .venv and install what the product runs on

install-tests: $(VENV)/installed-tests

$(VENV)/made:
	@bash scripts/make-venv $(VENV)
	@touch $@

$(VENV)/installed: requirements.lock | $(VENV)/made
	@bash scripts/pip-install $(VENV) requirements.lock "what the product runs on"
	@touch $@

$(VENV)/installed-tests: tests/requirements.lock $(VENV)/installed
	@bash scripts/pip-install $(VENV) tests/requirements.lock "what tests need"
	@touch $@

chromium:
	@bash scripts/install-chromium

pgbouncer:
	@bash scripts/install-pgbouncer

client-tools: $(VENV)/made
	@bash scripts/install-client-tools $(VENV)

test: install-tests chromium pgbouncer client-tools ## every promise once, and what a database decides on PostgreSQL too
	@bash scripts/run-tests $(VENV)/bin

test-rest: install-tests chromium pgbouncer client-tools ## the repeats: other parameters, whole processes; CI runs it after `make test`
	@bash scripts/run-tests $(VENV)/bin rest

test-all: install-tests chromium pgbouncer client-tools ## both of these, and what tries the same promises at more sizes, seeds and lengths
	@bash scripts/run-tests $(VENV)/bin all

$(VENV)/installed-deploy: tests/deploy/requirements.lock | $(VENV)/made
	@bash scripts/make-venv $(VENV)/deploy-tools
	@bash scripts/pip-install $(VENV)/deploy-tools tests/deploy/requirements.lock "what tests of deploy/ need"
	@touch $@

# Twenty minutes, and the packages of scripts/install-deploy-tools: as root, or with sudo.
test-deploy: install-tests $(VENV)/installed-deploy ## nginx, two hosts, PostgreSQL, Valkey and S3 as in production: films, a release, kills
	@bash scripts/install-deploy-tools
	@DEPLOY_TOOLS=$(CURDIR)/$(VENV)/deploy-tools $(PYTHON) -m pytest -s tests/deploy $(PYTEST_ARGS)

check: install-tests ## format, lint, import contracts, bandit, types, missing migrations, fast tests
	@bash scripts/check $(VENV)/bin

coverage: install-tests ## what the fast tests reach: the total, and the files they reach least (COVERAGE_ARGS: other tests)
	@bash scripts/coverage $(VENV)/bin

bench: install-tests chromium ## figures and ratios: each stage beside its floor and Gradio's queue, a hero by process, dispatch, simulator, film, prepare, confinement, first picture; wants an idle machine
	@$(PYTHON) -m tests.bench.stages --write
	@$(PYTHON) -m tests.bench.hero
	@$(PYTHON) -m tests.bench.dispatch
	@$(PYTHON) -m providers.simulator.bench
	@$(PYTHON) -m providers.studio.tools.bench tests/photos/astronaut.jpg
	@$(PYTHON) -m tests.bench.faces
	@$(PYTHON) -m tests.bench.prepare
	@$(PYTHON) -m tests.bench.confinement
	@$(PYTHON) -m tests.bench.first_picture

bench-check: install-tests ## each stage's CPU against what docs/bench keeps; fails when a ratio is more than 15 % worse
	@$(PYTHON) -m tests.bench.stages --runs 5 --no-gradio --check

# RATE is people a minute, HOLD seconds at the peak; SURGE_ARGS is for the rest (`manage.py surge --help`).
surge: install ## rehearse the evening it goes viral, and the morning after (RATE=5000 HOLD=180 SMALL=1 SURGE_ARGS=…)
	@$(PYTHON) manage.py surge --rate $(or $(RATE),5000) --hold $(or $(HOLD),180) $(if $(SMALL),--small) $(SURGE_ARGS)

soak: install-tests ## many films in a row on one renderer (FILMS=1000), judged by laws; an hour on an idle machine
	@$(PYTHON) -m providers.studio.tools.soak --films $(or $(FILMS),1000)

# SEED repeats a storm, MINUTES says how long (10), DATABASE where (sqlite or postgres; one after the other without it).
chaos: install-tests ## a storm of faults under load, then the laws (SEED=… MINUTES=10 DATABASE=sqlite|postgres)
	@status=0; for database in $(or $(DATABASE),sqlite postgres); do \
		$(PYTHON) -m tests.chaos --database $$database --minutes $(or $(MINUTES),10) $(if $(SEED),--seed $(SEED)) || status=1; \
	done; exit $$status

conformance: install-tests ## schemathesis against the running product, every check, also stateful (EXAMPLES=10000 SEED=1)
	@$(PYTHON) -m tests.clients.conformance --examples $(or $(EXAMPLES),10000) --seed $(or $(SEED),1)

lighthouse: install-tests chromium ## what Lighthouse says of the start page; needs npm and an idle machine
	@$(PYTHON) -m tests.bench.lighthouse

audit: ## ask for known weaknesses of every locked package; needs an index with advisories
	@bash scripts/audit

clean: ## remove .venv and caches; what the product keeps in var/ stays
	@rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .grimp_cache .hypothesis
	@find . -name __pycache__ -type d -not -path './.venv/*' -prune -exec rm -rf {} +
