# `make serve` runs the server with demo data, `make test` proves everything.
# Each target makes `.venv` and installs into it what it needs.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help setup serve test clients check format bench clean

help:
	@sed -n 's/^## //p' $(MAKEFILE_LIST)

## make setup    make .venv and install the server and the tools its tests use
setup: $(VENV)/installed-dev

$(VENV)/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Theodora needs Python 3.11 or newer; name one: make PYTHON=python3.12 ..."; exit 1; }
	@echo "Making $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV) \
	  || { echo "Could not make $(VENV). On Debian: apt-get install python3-venv"; exit 1; }
	@$(BIN)/pip install --quiet --upgrade 'pip>=25.1'

$(VENV)/installed: pyproject.toml | $(VENV)/bin/pip
	@echo "Installing theodora and what it runs on"
	@$(BIN)/pip install --quiet --editable .
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed
	@echo "Installing the tools of the tests (group dev in pyproject.toml)"
	@$(BIN)/pip install --quiet --group dev
	@touch $@

## make serve    start the server with made-up history, on http://127.0.0.1:8080
serve: $(VENV)/installed .theodora/api-key .theodora/app-key
	@THEODORA_DATABASE=$${THEODORA_DATABASE:-sqlite:///.theodora/theodora.db} \
	  THEODORA_BOOTSTRAP_API_KEY_FILE=.theodora/api-key \
	  THEODORA_BOOTSTRAP_APP_KEY_FILE=.theodora/app-key \
	  $(BIN)/theodora serve --demo $(FLAGS)

# Keys for the server of `make serve` alone, made on first use.
.theodora/api-key:
	@mkdir -p .theodora && umask 077 && $(PYTHON) -c 'import secrets; print(secrets.token_hex(16))' > $@

.theodora/app-key:
	@mkdir -p .theodora && umask 077 && $(PYTHON) -c 'import secrets; print(secrets.token_hex(20))' > $@

## make check    format, lint, types and layers
check: setup
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/basedpyright
	@$(BIN)/lint-imports

## make format   put every file in the house's form
format: setup
	@$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format .

## make test     make check, then the whole test suite
test: check
	@$(BIN)/pytest -n auto

## make clients  ask a server with the official clients of every language this machine can build
clients: setup
	@$(BIN)/pytest -m "" tests/clients

## make bench    measure: search shapes in process, derivation against git, lists and ingest over HTTP (needs wrk)
bench: setup
	@$(BIN)/python -m bench.search
	@$(BIN)/python -m bench.derivation
	@$(BIN)/python -m bench.over_http 100000
	@$(BIN)/python -m bench.over_http 1000000

clean:
	rm -rf $(VENV)
