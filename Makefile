# `make serve` runs the server with demo data, `make test` proves everything.
# Each target makes `.venv` and installs into it what it needs.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# How many deployments the benchmarks run on.
SIZES ?= 100000 1000000
# Which tests: files, folders or flags of pytest; all by default.
TESTS ?=
# How many files of tests of changed modules `make quick` runs.
MOST ?= 24

# With it, each server that a test starts would compile every module again.
unexport PYTHONDONTWRITEBYTECODE
# uv brings certificates of its own, without those that a company's network needs.
export UV_SYSTEM_CERTS ?= $(if $(wildcard /etc/ssl/certs/ca-certificates.crt),true,false)

.PHONY: help setup serve test slow quick fresh browser fuzz torture soak attacks screenshots site clients integrations backstage deploy dist lock sbom advisories citus check format bench measured mutants house clean

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

$(VENV)/installed: pyproject.toml requirements.lock | $(VENV)/bin/pip
	@echo "Installing theodora and what it runs on"
	@$(BIN)/pip install --quiet --require-hashes --only-binary :all: --requirement requirements.lock
	@$(BIN)/pip install --quiet --editable '.[tls]'
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed
	@echo "Installing the tools of the tests (group dev in pyproject.toml)"
	@$(BIN)/pip install --quiet --group dev
	@touch $@

## make serve    start the server with made-up history, on http://127.0.0.1:8080
# It is quiet: entries of the audit log would push away what it prints.
serve: $(VENV)/installed .theodora/api-key .theodora/app-key
	@exec env THEODORA_DATABASE=$${THEODORA_DATABASE:-sqlite:///.theodora/theodora.db} \
	  THEODORA_BOOTSTRAP_API_KEY_FILE=.theodora/api-key \
	  THEODORA_BOOTSTRAP_APP_KEY_FILE=.theodora/app-key \
	  THEODORA_LOG_LEVEL=$${THEODORA_LOG_LEVEL:-warning} \
	  THEODORA_MAKE_SERVE=yes \
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
	@$(BIN)/basedpyright --threads
	@$(BIN)/lint-imports

## make format   put every file in the house's form
format: setup
	@$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format .

# What the tests need of the system: Debian's package, and a command that fails without it. The browser's
# driver, which playwright brings, is linked with libatomic. Where there is no Chromium without windows of
# its own, which takes half the processor time, the usual one is installed.
NEEDED := chromium-headless-shell curl libatomic1
HAS_chromium-headless-shell := command -v chromium-headless-shell || command -v chromium
HAS_curl := command -v curl
HAS_libatomic1 := ldconfig -p | grep -q libatomic.so.1

## make browser  install the browser, curl and libatomic for the tests (apt-get, as root or with sudo)
browser:
	@missing=; \
	  export PATH="$$PATH:/usr/sbin:/sbin"; \
	  $(foreach each,$(NEEDED),{ $(HAS_$(each)); } >/dev/null 2>&1 || missing="$$missing $(each)"; )\
	  [ -n "$$missing" ] || exit 0; \
	  run=; [ "$$(id -u)" = 0 ] || run="sudo -n"; \
	  install="$$run env DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet --no-install-recommends"; \
	  echo "Installing$$missing for the tests"; \
	  $$install $$missing >/dev/null 2>&1 || { $$run apt-get update --quiet && $$install $$missing; } >/dev/null 2>&1 \
	  || $$install $$(echo "$$missing" | sed s/-headless-shell//) >/dev/null 2>&1 \
	  || echo "Could not install$$missing; tests that need them are skipped. On Debian: apt-get install$$missing"

# Two processes more than there are cores: tests also wait, for servers, databases and deadlines.
PROCESSES := $$($(BIN)/python -c 'import os; print(os.cpu_count() + 2)')

## make test     make check, then all tests; TESTS="tests/cli" for a part of it
test: check browser
	@$(BIN)/pytest -n $(PROCESSES) --dist worksteal $(TESTS)

## make fresh    make test and make serve in a new minimal Debian (debootstrap, as root); TESTS="tests/cli"
fresh:
	@TESTS="$(TESTS)" tests/fresh.sh

## make quick    test what has changed since main, on SQLite, in about a minute: the nearest MOST=24 files of tests
quick: setup
	@$(BIN)/pytest -n auto -k "not postgresql" $$($(BIN)/python tests/quick.py $(MOST))

# How long inputs are made, and how long a server is asked.
MINUTES ?= 10

## make fuzz     read spoilt inputs with every parser for MINUTES=10; keeps what fails in tests/fuzz/found
fuzz: setup
	@$(BIN)/python -m bench.fuzz $(MINUTES)

# Kills of a server; a tenth as many of other faults.
TIMES ?= 100

## make torture  kill servers and databases and break their disks under load, TIMES=100, and look for what is lost
torture: setup
	@$(BIN)/python -m bench.torture --times $(TIMES)

## make soak     ask a server for MINUTES=10 at 70 % of its capacity; show times, memory and file sizes
soak: setup
	@$(BIN)/python -m bench.soak $(MINUTES)

# Attacks that have this in their names, and the database.
ONLY ?=
ON ?= sqlite

## make attacks  show what others feel of hostile clients: memory, health, lists, metrics, pages; ONLY="slow words" ON=postgresql
attacks: setup
	@$(BIN)/python -m bench.attacks --only "$(ONLY)" --on $(ON)

## make screenshots  make the pictures of docs/ anew
screenshots: setup browser
	@$(call install-programs,pngquant); $(BIN)/python docs/screenshots.py

$(VENV)/installed-docs: $(VENV)/installed-dev
	@echo "Installing what makes the documentation site (group docs in pyproject.toml)"
	@$(BIN)/pip install --quiet --group docs
	@touch $@

# Outside of git.
SITE ?= .site

## make site     make the documentation site, offline; a warning, such as a dead link, is an error; SITE=.site
site: $(VENV)/installed-docs
	@rm -rf $(SITE)
	@$(BIN)/sphinx-build -q -j auto -W --keep-going -c docs -d $(SITE)/.doctrees . $(SITE)
	@rm -rf $(SITE)/.doctrees
	@echo "$(SITE)/index.html"

## make slow     test what takes long: real histories, many processes, recipes, killed deletions, slow reads, the site
slow: setup $(VENV)/installed-docs
	@$(BIN)/pytest -n $(PROCESSES) --dist worksteal -m slow

## make clients  ask a server with the official clients of every language this machine can build
clients: setup
	@$(BIN)/pytest -m "" tests/clients

# Installs commands, each of a package of Debian of the same name. Its packages start services, so only root
# installs them, as in a container. A new machine has no lists of packages yet.
define install-programs
export PATH="$$PATH:/usr/sbin:/sbin"; missing=; \
for each in $(1); do command -v $$each >/dev/null || missing="$$missing $$each"; done; \
install="env DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet --no-install-recommends"; \
[ -z "$$missing" ] \
|| { [ "$$(id -u)" = 0 ] && { $$install $$missing || { apt-get update --quiet && $$install $$missing; }; }; } >/dev/null 2>&1 \
|| echo "Not installed:$$missing; tests that need them are skipped. As root, run: apt-get install$$missing"
endef

## make integrations  test sign-in and the files of deploy/ with the real programs: a provider, proxies, Prometheus
integrations: setup
	@$(call install-programs,nginx caddy prometheus); $(BIN)/pytest -n 2 --dist loadfile -m "not deploy" tests/deploy

## make backstage  build and test the card of deploy/backstage (needs npm; the first run takes minutes)
backstage: setup
	@$(BIN)/pytest -m "" tests/deploy/test_backstage.py

$(VENV)/installed-release: $(VENV)/installed-dev
	@echo "Installing what makes releases (group release in pyproject.toml)"
	@$(BIN)/pip install --quiet --group release
	@touch $@

$(VENV)/installed-build: pyproject.toml | $(VENV)/bin/pip
	@echo "Installing what builds the wheel (group build in pyproject.toml)"
	@$(BIN)/pip install --quiet --group build
	@touch $@

## make dist     build the wheel and the source distribution into dist/
dist: $(VENV)/installed-build
	@rm -rf dist
	@SOURCE_DATE_EPOCH=$${SOURCE_DATE_EPOCH:-$$(git log -1 --format=%ct)} $(BIN)/uv build --quiet --out-dir dist
	@ls dist

# Linux on two processors, the oldest Python and every newer one; registries are not named in the files.
COMPILE := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --custom-compile-command "make lock"

## make lock     write requirements.lock, requirements-all.lock and deploy/build.lock, with hashes; UPGRADE=yes takes the newest versions
lock: $(VENV)/installed-release
	@$(BIN)/$(COMPILE) $(if $(UPGRADE),--upgrade) --extra postgresql --extra oidc --extra notifications --output-file requirements.lock pyproject.toml
	@$(BIN)/$(COMPILE) $(if $(UPGRADE),--upgrade) --all-extras --constraint requirements.lock --output-file requirements-all.lock pyproject.toml
	@$(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")' \
	  | $(BIN)/$(COMPILE) $(if $(UPGRADE),--upgrade) --output-file deploy/build.lock -

## make sbom     write dist/theodora-VERSION.cdx.json: every library of every extra, in CycloneDX
sbom: $(VENV)/installed-release
	@mkdir -p dist; version=$$($(BIN)/python -c 'import theodora; print(theodora.__version__)'); \
	  sed "s/^dynamic = .*/version = \"$$version\"/" pyproject.toml > dist/versioned.toml; \
	  $(BIN)/python -W ignore -m cyclonedx_py requirements requirements-all.lock --pyproject dist/versioned.toml \
	  --mc-type application --output-reproducible --output-file dist/theodora-$$version.cdx.json; \
	  status=$$?; rm dist/versioned.toml; ls dist/theodora-$$version.cdx.json; exit $$status

## make advisories  look up known vulnerabilities of every locked library (needs a network)
advisories: $(VENV)/installed-release
	@$(BIN)/python -m bench.advisories

# Two at a time: each waits for registries, or for programs of one process.
## make deploy   test every way of docs/install.md, from nothing; TESTS="tests/deploy/test_wheel.py"
deploy: $(VENV)/installed-release
	@$(call install-programs,buildah mmdebstrap nginx strace); $(BIN)/pytest -rP -n 2 --dist loadfile -m deploy $(or $(TESTS),tests/deploy)

## make citus    test the store on Citus in place of PostgreSQL (needs Citus for PostgreSQL 15)
citus: setup
	@THEODORA_TESTS_ON_CITUS=yes $(BIN)/pytest -n auto tests/storage \
	  -k "(postgresql or processes or histories) and not (sqlite or citus or copy)"

$(VENV)/installed-bench: $(VENV)/installed-dev
	@echo "Installing what is measured against (group bench in pyproject.toml)"
	@$(BIN)/pip install --quiet --group bench
	@touch $@

# What benchmarks have measured, for the table at the end.
RESULTS := .bench/results.jsonl
RUNS := 1

## make bench    measure: search, metrics, insights, pages, derivation, imports, packs, lists and ingest over HTTP, webhooks, PostgreSQL (needs wrk), backups, faults, and print one table; SIZES="100000" RUNS=3; PAGE=docs/performance.md writes the table there
bench: setup $(VENV)/installed-bench
	@mkdir -p $(dir $(RESULTS)) && rm -f $(RESULTS)
	@for run in $$(seq $(RUNS)); do $(MAKE) --no-print-directory measured || exit; done
	@$(BIN)/python -m bench.insights
	@$(BIN)/python -m bench.replica
	@$(BIN)/python -m bench.faults
	@$(BIN)/python -m bench.attacks --only slow
	@$(BIN)/python -m bench.results $(RESULTS) $(if $(PAGE),--into $(PAGE))

measured: export THEODORA_BENCH_RESULTS := $(RESULTS)
measured:
	@$(BIN)/python -m bench.search $(SIZES)
	@$(BIN)/python -m bench.metrics $(SIZES)
	@$(BIN)/python -m bench.pages $(SIZES)
	@$(BIN)/python -m bench.starting $(SIZES)
	@$(BIN)/python -m bench.derivation
	@for size in $(SIZES); do $(BIN)/python -m bench.imports $$size || exit; done
	@$(BIN)/python -m bench.packs
	@for size in $(SIZES); do $(BIN)/python -m bench.over_http $$size || exit; done
	@$(BIN)/python -m bench.hooks
	@$(BIN)/python -m bench.postgresql $(SIZES)
	@$(BIN)/python -m bench.backup

# Faults tested in each folder, and which of all that are possible.
MUTANTS ?= 60
SEED ?= 1
FOLDERS ?= query dora storage

$(VENV)/installed-mutants: $(VENV)/installed-dev
	@echo "Installing what makes faults (group mutants in pyproject.toml)"
	@$(BIN)/pip install --quiet --group mutants
	@touch $@

## make mutants  make small faults in the code and count those that fail a test; MUTANTS=60 SEED=1 FOLDERS="query"
mutants: setup $(VENV)/installed-mutants
	@$(BIN)/python -m bench.mutants $(FOLDERS) --sample $(MUTANTS) --seed $(SEED)

# What is measured: checkouts, each as [NAME=]FOLDER[:PACKAGE[:TESTS]].
HOUSES ?= theodora=.

## make house    count folders, arrows between them, functions, comments and tests; HOUSES="old=../old new=."
house: setup
	@$(BIN)/python -m bench.house $(HOUSES)

clean:
	rm -rf $(VENV)
