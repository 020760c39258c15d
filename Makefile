# The one list of tasks. Hooks, CI and the README call these targets and nothing else.
# `make` alone prints them. Nothing needs to be installed but Python 3.11+ and make (Docker for the Docker targets).

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
RUN := $(PY) -m
STAMP := $(VENV)/.setup-done
MEMBERS := libs/pmcore services/feed services/strategy services/executor services/userws services/simulator
SERVICES := feed strategy executor userws simulator
PURE := model messages machines engine venue wire
QUICK := tests/unit tests/property tests/contract tests/house

COMPOSE := docker compose
UV_COMPILE := $(RUN) uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-header --no-emit-package pmcore

SECONDS ?= 120
SEED ?= 7
REASON ?= operator

empty :=
space := $(empty) $(empty)
export PYTHONPATH := $(subst $(space),:,$(MEMBERS:%=%/src))
export PYTHONDONTWRITEBYTECODE := 1

.DEFAULT_GOAL := help
.PHONY: help setup run fmt lint types imports test prop test-connected test-docker check bench docs coverage-core lock \
	up up-sim down logs ps kill resume clean

help: ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# --- a place to work -------------------------------------------------------------------------------------------

setup: $(STAMP) ## create .venv with just what is locked (a .venv that is a link is left alone)
	@[ -L $(VENV) ] || { [ "$$(cat $(STAMP))" = "$(CURDIR)" ] && $(PY) -c ''; } || { \
		echo ".venv does not work here: it was made elsewhere, or its Python is gone. Mend it: rm -rf .venv && make setup" >&2; \
		exit 1; }

# The mark of a finished .venv goes first and comes back last: what an interruption leaves is thrown away.
$(STAMP): requirements.lock scripts/install_locked.py $(MEMBERS:%=%/pyproject.toml)
	@[ -L $(VENV) ] && exit 0; \
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Python 3.11 or newer is needed; name one with: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }; \
	if [ -f $@ ] && $(PY) -c ''; then rm $@; else \
		$(PYTHON) -m venv --clear $(VENV) || { \
			echo "no virtual environment can be made; on Debian: apt install python3-venv" >&2; exit 1; }; fi; \
	echo "installing the locked packages into $(VENV) (once; about a minute)"; \
	$(PY) scripts/install_locked.py requirements.lock $(MEMBERS:%=-e ./%) && \
	$(PY) scripts/install_redis_server.py requirements.lock && echo "$(CURDIR)" >$@

# --- see it work -----------------------------------------------------------------------------------------------

run: setup ## the whole engine against the local simulator for SECONDS=120, with a live view
	@$(RUN) pmcore.tools.cli run --seconds $(SECONDS)

# --- quick checks ----------------------------------------------------------------------------------------------

fmt: setup ## format the code and mend what can be mended
	@$(RUN) ruff format . && $(RUN) ruff check --fix .

lint: setup ## ruff: rules and formatting
	@$(RUN) ruff check . && $(RUN) ruff format --check .

types: setup ## mypy --strict
	@$(RUN) mypy

imports: setup ## the layers and the contracts between packages
	@$(VENV)/bin/lint-imports

check: setup ## the one gate: all quick checks; says how long it took
	@start=$$(date +%s); \
	$(MAKE) --no-print-directory lint types imports && \
	$(RUN) pytest -n auto --hypothesis-profile quick -m "not connected and not docker and not recordings" $(QUICK); \
	result=$$?; echo "make check took $$(($$(date +%s) - start)) s"; exit $$result

# --- tests -----------------------------------------------------------------------------------------------------

test: setup ## every test that can run here; says what it leaves out and why
	@quick=0; slow=0; \
	$(RUN) pytest -n auto -rsfE -m "not connected and not docker" || quick=$$?; \
	$(RUN) pytest -rsfE -m "connected or docker" || slow=$$?; \
	exit $$((quick + slow))

prop: setup ## the properties, thoroughly
	@$(RUN) pytest -n auto --hypothesis-profile thorough tests/property

test-connected: setup ## tests with a real Redis server and whole processes
	@$(RUN) pytest -rsfE -m "connected and not docker"

test-docker: setup ## tests with a Docker engine: the images, Compose, Redis and Prometheus in containers
	@$(RUN) pytest -rsfE -m docker

coverage-core: setup ## every branch of the pure core by the unit tests of its layer
	@PYTHONPATH=$(PYTHONPATH):tests $(RUN) support.core_coverage

bench: setup ## how long the hot paths take on this machine
	@PYTHONPATH=$(PYTHONPATH):tests $(RUN) support.bench
	@$(PY) tests/bench/bench_simulator.py

docs: setup ## write the generated documents anew
	@$(RUN) pmcore.tools.docs

# --- locks -----------------------------------------------------------------------------------------------------

lock: setup ## resolve all versions anew: requirements.lock, then one lock per service from it
	@$(UV_COMPILE) --upgrade --all-extras --group dev -o requirements.lock $(MEMBERS:%=%/pyproject.toml)
	@for s in $(SERVICES); do \
		$(UV_COMPILE) -c requirements.lock -o services/$$s/requirements.lock services/$$s/pyproject.toml || exit 1; done

# --- Docker ----------------------------------------------------------------------------------------------------

up: ## real market data, paper fills (or live, as .env says): redis, four services, prometheus, grafana
	@$(COMPOSE) up --build --detach

up-sim: ## the same against the simulator
	@$(COMPOSE) --profile sim up --build --detach

down: ## cancel, verify and stop everything
	@$(COMPOSE) --profile sim down

logs: ## follow the services' logs
	@$(COMPOSE) --profile sim logs --follow --tail 50

ps: ## what runs, and how healthy
	@$(COMPOSE) --profile sim ps

# The containers share a token that the first of them made; processes without Docker are found by `pm` itself.
WITH_TOKEN = PM_CONTROL_TOKEN="$${PM_CONTROL_TOKEN:-$$(for s in executor strategy feed userws; do \
	$(COMPOSE) exec -T $$s cat /run/pm-control/token 2>/dev/null && break; done)}"

# --- the operator's levers -------------------------------------------------------------------------------------

kill: setup ## stop quoting and cancel everything, now (REASON=...)
	@$(WITH_TOKEN) $(RUN) pmcore.tools.cli kill --reason "$(REASON)"

resume: setup ## quote again after a kill
	@$(WITH_TOKEN) $(RUN) pmcore.tools.cli resume

clean: ## remove caches and what runs leave behind; not .venv, not var/
	@rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage* htmlcov build dist .run
	@find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
