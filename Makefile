# Everything here needs Python 3.11 or later and make; PYTHON=… names another interpreter.
# `make` alone lists the targets.

SHELL := /bin/sh
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VENV := .venv
PY := $(VENV)/bin/python
READY := $(VENV)/.ready
# Environments beside that one are made by the machine's uv, or by the locked one.
UV = uv=$$(command -v uv || echo $(VENV)/bin/uv); export UV_SYSTEM_CERTS=true UV_NATIVE_TLS=true;

# What a user typed reaches the commands as it is, through the environment: `value` keeps make from
# expanding a `$` in it, and no shell ever sees it as text of a command.
override IDEA := $(value IDEA)
override CONFIRM := $(value CONFIRM)
export IDEA CONFIRM

##@ Use
.PHONY: review
review: $(READY) ## Review IDEA="…" with both services, SQLite and, without a key, the offline model
	@$(PY) -m consensus_cli.demo --idea="$$IDEA"

.PHONY: up
up: $(READY) ## Start everything in the foreground; Ctrl-C drains and stops it
	@$(PY) -m consensus_cli up --data data --free-ports

.PHONY: migrate
migrate: $(READY) ## Bring the schema of the database (DATABASE_URL, DB_*) to the newest revision
	@$(PY) -m persistence_service migrate

.PHONY: certs
certs: $(READY) ## Make a development authority and certificates in certs/; ARGS=--renew makes new ones by it
	@$(PY) -m consensus_rpc.security.make_certificates certs $(ARGS)

.PHONY: db-reset
db-reset: $(READY) ## Drop the database named CONFIRM=…, migrate it anew, list its tables
	@$(PY) -m persistence_service db-reset --confirm="$$CONFIRM"

##@ Work on it
.PHONY: setup
setup: $(READY) ## Make .venv from requirements.lock (done by every other target when needed)

$(READY): requirements.lock pyproject.toml packages/client/pyproject.toml scripts/setup.sh
	@PYTHON="$(PYTHON)" scripts/setup.sh
	@touch $@

.PHONY: test
test: $(READY) ## Run all tests, on SQLite and PostgreSQL; ARGS="…" goes to pytest
	@$(PY) -m pytest --ignore=tests/clients --ignore=tests/dashboard --ignore=tests/deploy --ignore=tests/model \
		--ignore=tests/page $(ARGS)

.PHONY: test-pooled
test-pooled: $(READY) ## The storage tests, and a pair, through PgBouncer in transaction mode (needs one)
	@TEST_POOLED=1 $(PY) -m pytest tests/storage tests/faults/test_pooler.py -k "not sqlite" \
	  -m "slow_fault or not slow_fault" $(ARGS)

.PHONY: test-distributed
test-distributed: $(READY) ## The storage tests as if PostgreSQL were distributed: a statement names one tenant
	@TEST_DISTRIBUTED=1 $(PY) -m pytest tests/storage -k "not sqlite" $(ARGS)

.PHONY: test-partitioned
test-partitioned: $(READY) ## The storage tests on a PostgreSQL whose runs are partitioned by time
	@TEST_PARTITIONED=1 $(PY) -m pytest tests/storage -k "not sqlite" $(ARGS)

.PHONY: faults
faults: $(READY) ## Run the whole fault suite, the slow cases that `test` leaves out included
	@$(PY) -m pytest tests/faults -m "slow_fault or not slow_fault" $(ARGS)

.PHONY: upgrade-test
upgrade-test: $(READY) ## The release before and this one side by side under load, in both orders and back (needs its commit)
	@$(PY) scripts/release_before.py >/dev/null && $(PY) -m pytest tests/upgrade -m slow_fault $(ARGS)

.PHONY: drill
drill: $(READY) ## Load, back up, lose everything, restore as docs/backup.md says, on both databases
	@GRPC_ENABLE_FORK_SUPPORT=0 $(PY) -m tests.backup

.PHONY: soak
soak: $(READY) ## Load with kills every 30 s on both databases, MINUTES=10, then the checker; ARGS=--output=FILE
	@$(PY) -m tests.faults.soak --minutes=$(or $(MINUTES),10) $(ARGS)

.PHONY: rehearse
rehearse: $(READY) ## A day at the rate of half a million reviews in MINUTES=20, with all that may happen; ARGS=--output=FILE
	@GRPC_ENABLE_FORK_SUPPORT=0 $(PY) -m tests.rehearsal --minutes=$(or $(MINUTES),20) $(ARGS)

.PHONY: hostile
hostile: $(READY) ## Hostile callers, with and without keys, and a hostile model, on both databases (5 minutes); ARGS=--quick
	@$(PY) -m tests.hostile $(ARGS)

.PHONY: test-clients
test-clients: $(READY) ## Run the clients of examples/ in the languages that are here; ALL=1 those slow to build too
	@ALL_CLIENTS="$(ALL)" $(PY) -m pytest tests/clients --dist loadgroup $(ARGS)

.PHONY: test-deploy
test-deploy: build/deploy/.ready ## Build deploy/, hold it against schemas, run what it runs; names what it left out
	@$(PY) -m pytest tests/deploy -n 0 $(ARGS)

build/deploy/.ready: requirements-deploy.lock $(READY)
	@$(UV) "$$uv" venv --quiet --allow-existing --python $(PY) build/deploy/.venv && \
	  VIRTUAL_ENV="$$PWD/build/deploy/.venv" "$$uv" pip sync --quiet --require-hashes requirements-deploy.lock
	@touch $@

.PHONY: test-page
test-page: build/page/.ready ## Run the door's page in a real Chromium, with axe beside it (needs Chromium and npm)
	@$(PY) -m pytest tests/page -n 0 $(ARGS)

.PHONY: test-dashboard
test-dashboard: $(READY) ## Ask a real Prometheus for each panel after `make up` and ten reviews (needs one)
	@command -v prometheus promtool >/dev/null || \
	  { echo "prometheus and promtool are missing: apt-get install prometheus, or a release of it"; exit 1; }
	@promtool check rules deploy/prometheus/alerts.yaml
	@$(PY) -m pytest tests/dashboard -n 0 -s $(ARGS)

.PHONY: screenshots
screenshots: $(READY) ## Make the pictures of docs/door/ anew, by the offline model (needs Chromium)
	@$(PY) -m tests.page.screenshots

build/page/.ready: tests/page/package-lock.json $(READY)
	@mkdir -p build/page && cp tests/page/.npmrc tests/page/package.json tests/page/package-lock.json build/page/ && \
	  cd build/page && npm ci --no-progress --ignore-scripts --silent
	@touch $@

.PHONY: test-model
test-model: build/model/.ready ## Reviews by a small real model (127 MB, kept), by both protocols, on an idle machine
	@$(PY) -m pytest tests/model -n 0 -s $(ARGS)

.PHONY: servers
servers: build/model/.ready ## Ask llama.cpp and stand-ins of other servers; writes the table in docs/models.md
	@$(PY) -m tests.model.servers $(ARGS)

.PHONY: bench
bench: $(VENV)/.bench ## Measure the pair beside plain clients (< 6 minutes); ARGS=--quick (< 1), ARGS=--large
	@$(PY) -m tests.benchmarks $(ARGS)

.PHONY: bench-overload
bench-overload: $(READY) ## Ten times the load that is admitted, for 30 s: goodput, refusals, memory
	@$(PY) -m tests.benchmarks.overload $(ARGS)

.PHONY: bench-secured
bench-secured: $(READY) ## Reviews/s with TLS and keys beside those without, taking turns (< 3 minutes)
	@$(PY) -m tests.benchmarks.secured $(ARGS)

.PHONY: bench-scale
bench-scale: $(VENV)/.bench ## Reviews/s by 1, 2, 4 review and 1, 2 persistence processes (< 4 minutes); ARGS=--quick
	@$(PY) -m tests.benchmarks.scale $(ARGS)

.PHONY: bench-peers
bench-peers: $(VENV)/.bench build/peers/.ready ## The pair beside LangGraph and DBOS (< 8 minutes); ARGS=--quick (< 2)
	@$(PY) -m tests.benchmarks.peers $(ARGS)

# The peers need other versions of some libraries than the pair does.
build/peers/.ready: requirements-peers.lock $(READY)
	@$(UV) "$$uv" venv --quiet --allow-existing --python $(PY) build/peers/.venv && \
	  VIRTUAL_ENV="$$PWD/build/peers/.venv" "$$uv" pip sync --quiet --require-hashes requirements-peers.lock
	@touch $@

build/model/.ready: requirements-model.lock $(READY)
	@$(UV) "$$uv" venv --quiet --allow-existing --python $(PY) build/model/.venv && VIRTUAL_ENV="$$PWD/build/model/.venv" \
	  "$$uv" pip install --quiet --no-deps --require-hashes -r requirements-model.lock
	@touch $@

$(VENV)/.bench: requirements-bench.lock $(READY)
	@$(UV) VIRTUAL_ENV="$$PWD/$(VENV)" "$$uv" pip install --quiet --require-hashes -r requirements-bench.lock
	@touch $@

.PHONY: bench-lists
bench-lists: $(READY) ## Lists over 1,000 beside 1,000,000 runs and events, page 1 beside page 1,000 (about a minute)
	@$(PY) -m tests.benchmarks.lists

.PHONY: bench-partitions
bench-partitions: $(READY) ## Lists, watching, retention by 1 and 10 million runs (20 GB, 20 minutes); ARGS=--runs=N
	@$(PY) -m tests.benchmarks.partitions $(ARGS)

.PHONY: bench-page
bench-page: $(READY) ## First paint of the list of 100,000 runs, and 200 watchers of one (< 5 minutes; needs Chromium)
	@$(PY) -m tests.benchmarks.page $(ARGS)

.PHONY: bench-documents
bench-documents: $(READY) ## Documents reviewed by the offline model: time, quotations, particular concerns; ARGS="FILE …"
	@$(PY) -m tests.benchmarks.documents $(ARGS)

.PHONY: bench-injections
bench-injections: $(READY) ## What an injection comes to by how many personas obey it; the table of docs/injections.md
	@$(PY) -m tests.benchmarks.injections

.PHONY: check
check: $(READY) ## Format, lint, types, imports, contract, gen/, clients, docs, migrations, lock
	@$(PY) scripts/check.py

.PHONY: format
format: $(READY) ## Format the Python code and the contract
	@$(VENV)/bin/ruff format --quiet
	@$(VENV)/bin/ruff check --quiet --fix-only --select I
	@$(VENV)/bin/buf format protos --write --exclude-path protos/buf --exclude-path protos/google

.PHONY: protos
protos: $(READY) ## Make gen/ from protos/: Python stubs, a copy without rules, descriptors
	@$(PY) scripts/make_stubs.py

.PHONY: graph
graph: $(READY) ## Print which room imports which, circles and arrows upward; ARGS="--at REV" of a revision
	@$(PY) scripts/import_graph.py $(ARGS)

.PHONY: sync
sync: $(READY) ## Make the synchronous clients from the asynchronous ones
	@$(PY) scripts/make_sync.py

.PHONY: check-generation
check-generation: $(READY) ## Generate the contract in Go, TypeScript, Java, Rust, Python; compile it; ARGS=go
	@$(PY) scripts/check_generation.py $(ARGS)

.PHONY: docs
docs: $(READY) ## Make docs/errors.md, the settings table and .env.example from contract and code
	@$(PY) scripts/make_docs.py

.PHONY: lock
lock: $(READY) ## Resolve the dependencies into requirements*.lock; ARGS=--upgrade takes newer ones
	@$(PY) scripts/make_lock.py $(ARGS)

.PHONY: audit
audit: build/audit/.ready ## Known vulnerabilities, licences, a bill of materials of what the image holds; ARGS=--strict
	@$(PY) scripts/audit.py $(ARGS)

build/audit/.ready: requirements-audit.lock $(READY)
	@$(UV) "$$uv" venv --quiet --allow-existing --python $(PY) build/audit/.venv && \
	  VIRTUAL_ENV="$$PWD/build/audit/.venv" "$$uv" pip sync --quiet --require-hashes requirements-audit.lock
	@touch $@

.PHONY: clean
clean: ## Remove .venv, caches and what was built; databases in data/ stay
	@rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	@rm -rf examples/*/node_modules examples/*/gen examples/*/dist examples/*/target examples/go/bin
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: help
help: ## List the targets
	@awk 'BEGIN { FS = ":.*## " } \
	  /^##@ / { printf "\n%s\n", substr($$0, 5) } \
	  /^[a-z-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' Makefile
