# The one list of tasks. Hooks, CI and the README call these targets and nothing else.
# `make` alone prints them. Nothing needs to be installed but Python 3.11+ and make (Docker for the Docker targets).

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
RUN := $(PY) -m
STAMP := $(VENV)/.setup-done
LIBRARIES := libs/pmcore libs/pmsim libs/pmtools research
MEMBERS := $(LIBRARIES) services/feed services/strategy services/executor services/userws services/simulator services/console
SERVICES := feed strategy executor userws simulator console
PURE := model messages machines engine venue wire
QUICK := tests/unit tests/property tests/contract tests/house

COMPOSE := docker compose
UV_COMPILE := $(RUN) uv pip compile --quiet --universal --fork-strategy fewest --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-header --no-emit-package pmcore --no-emit-package pmsim

SECONDS ?= 120
SEED ?= 7
N ?= 40
ONLY ?=
REASON ?= operator

empty :=
space := $(empty) $(empty)
export PYTHONPATH := $(subst $(space),:,$(MEMBERS:%=%/src))
export PYTHONDONTWRITEBYTECODE := 1

.DEFAULT_GOAL := help
.PHONY: help setup run fmt lint types imports test prop test-connected test-docker soak soak-chaos check bench hosts docs pictures dashboards coverage-core \
	mutants mutants-sample known-faults sim stories lock audit \
	up up-sim down logs ps status kill resume clean

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
	@$(RUN) pmtools.cli run --seconds $(SECONDS) $(if $(PM_PRESET),,--preset show)

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

soak: ROUNDS = 200
soak: setup ## kill the real executor inside its POST, and all orders by /kill, ROUNDS=200 times; then soak-chaos
	@$(RUN) pytest -s --rounds $(ROUNDS) tests/integration/test_kill_in_post.py tests/integration/test_kill_process.py
	@$(MAKE) --no-print-directory soak-chaos

soak-chaos: SEED = 1
soak-chaos: SCHEDULES = 100
soak-chaos: setup ## SCHEDULES=100 schedules of faults for real processes, from SEED=1
	@$(RUN) pytest -s --rounds $(SCHEDULES) --seed $(SEED) tests/integration/test_chaos_schedules.py

coverage-core: setup ## every branch of the pure core by the unit tests of its layer
	@PYTHONPATH=$(PYTHONPATH):tests $(RUN) support.core_coverage

mutants: setup ## break the code in every way, for hours; ONLY=part of a path; an interrupted run goes on
	@mkdir -p var; PYTHONPATH=$(PYTHONPATH):tests nice $(RUN) support.mutants --only "$(ONLY)" \
		--results var/mutants-$$(git rev-parse --short HEAD).jsonl

mutants-sample: SEED = 1
mutants-sample: setup ## break the code in N=40 ways, chosen by SEED=1 (or any text); about two minutes
	@PYTHONPATH=$(PYTHONPATH):tests $(RUN) support.mutants --sample $(N) --seed "$(SEED)"

known-faults: setup ## put each fault that we once had back; its test must fail; about a minute
	@PYTHONPATH=$(PYTHONPATH):tests $(RUN) support.mutants.known_faults

sim: SEEDS = 200
sim: setup ## all services by seed, with faults, in virtual time: SEEDS=200, about four minutes
	@$(RUN) pmtools.cli simulate --seeds 1..$(SEEDS)

stories: setup ## write down anew what the core answers to the stories of tests/replay; look at what changed
	@PYTHONPATH=$(PYTHONPATH):tests $(RUN) support.stories

bench: setup ## what the hot paths cost on this machine, each beside its floor
	@$(RUN) pmtools.cli bench

hosts: setup ## engines on two hosts made of network namespaces, one of them cut off; needs root; about two minutes
	@$(RUN) pmtools.cli hosts cut

docs: setup ## write the generated documents and dashboards anew
	@$(RUN) pmtools.docs
	@$(RUN) pmresearch.dashboards

pictures: setup ## make the README's pictures anew, of a real run; needs Chromium; about five minutes
	@PYTHONPATH=$(PYTHONPATH):tests $(RUN) support.pictures docs/pictures

dashboards: setup ## write grafana/dashboards anew, from research/src/pmresearch/dashboards
	@$(RUN) pmresearch.dashboards

# --- locks -----------------------------------------------------------------------------------------------------

lock: $(if $(wildcard $(VENV)/bin/uv),,setup) ## lock what is asked for, keeping the versions; UPGRADE=1 takes the newest of everything
	@$(UV_COMPILE) $(if $(UPGRADE),--upgrade) --all-extras --group dev -o requirements.lock $(MEMBERS:%=%/pyproject.toml)
	@for s in $(SERVICES); do \
		$(UV_COMPILE) -c requirements.lock -o services/$$s/requirements.lock services/$$s/pyproject.toml || exit 1; done

audit: ## known vulnerabilities of all that is locked, from PyPI's database; needs the internet
	@$(PYTHON) -m venv var/audit && var/audit/bin/pip install --quiet pip-audit==2.10.1
	@for lock in requirements.lock services/*/requirements.lock; do echo "$$lock"; \
		var/audit/bin/pip-audit --strict --no-deps --disable-pip --progress-spinner off -r $$lock || exit 1; done

# --- Docker ----------------------------------------------------------------------------------------------------

up: ## real market data, paper fills (or live, as .env says): redis, four services, prometheus, grafana
	@$(PYTHON) -m pmtools.compose_up $(COMPOSE)

up-sim: ## the same against the simulator
	@$(PYTHON) -m pmtools.compose_up $(COMPOSE) --profile sim

down: ## cancel, verify and stop everything
	@$(COMPOSE) --profile sim down

logs: ## follow the services' logs
	@$(COMPOSE) --profile sim logs --follow --tail 50

ps: ## what runs, and how healthy
	@$(COMPOSE) --profile sim ps

# --- the operator's commands -----------------------------------------------------------------------------------

# A halt must not wait for an installation: what is in .venv is used as it is.
NEEDS_SETUP := $(if $(wildcard $(PY)),,setup)
kill: export REASON := $(REASON)

status: $(NEEDS_SETUP) ## every engine of this checkout: halts, services, profit (ENGINE="--run ID", "--compose")
	@$(RUN) pmtools.cli status $(ENGINE)

kill: $(NEEDS_SETUP) ## every engine of this checkout: stop quoting and cancel everything, now (REASON=..., ENGINE=...)
	@$(RUN) pmtools.cli kill --reason="$$REASON" $(ENGINE)

resume: $(NEEDS_SETUP) ## quote again after a kill (ENGINE=..., "--all")
	@$(RUN) pmtools.cli resume $(ENGINE)

clean: ## remove caches and what runs leave behind; not .venv, not var/
	@rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage* htmlcov build dist .run .venv-clients
	@find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
