# Every target makes its own environment first (.venv, from requirements/*.lock); with it there, that costs 0.1 s.
# Needs Python 3.11 or later and make. Another interpreter: make PYTHON=python3.13 ...
# Values given to make reach the program as environment variables: make bench ORDERS=2000

PYTHON ?= python3
BIN := .venv/bin
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
# Many short-lived processes: with no cache of the compiled sources each would compile all of them anew, a quarter of its start.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help env up demo test test-peers k8s-check check format bench simulate chaos docker-test cluster-test docs restore-test sbom audit lock clean

help:  ## list the targets
	@sed -n 's/^\([a-z0-9-]*\):.*## /\1|/p' Makefile | while IFS='|' read -r name text; do printf '%-10s %s\n' "$$name" "$$text"; done

env:  ## make .venv as requirements/dev.lock says
	@$(PYTHON) -I requirements/environment.py dev

up: env  ## start everything on this machine, with a bus of its own; VENUE=binance-spot simulates another venue
	@$(if $(VENUE),ORDERGATE_VENUE=$(VENUE) )$(BIN)/python -m services

demo: env  ## run the main job to its end, at VENUE=zetarium|binance-spot|binance-futures|all, ENTRY=socket; the last line is its result as JSON
	@$(BIN)/python -m examples.demo $(or $(VENUE),zetarium)

test: env  ## run the tests, or some of them: make test TESTS=tests/unit/trading
	@$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(TESTS)

test-peers: env  ## drive the simulator with unmodified public clients of the exchanges
	@$(PYTHON) -I requirements/environment.py peers
	@$(BIN)/python -m pytest -n 2 --dist loadfile tests/acceptance/peers

k8s-check: env  ## render deploy/k8s, hold it against the schemas of Kubernetes and our own rules, and run it as processes with a bus of three
	@$(PYTHON) -I requirements/environment.py kubernetes
	@$(BIN)/python -m pytest -o "python_files=test_*.py running.py" tests/kubernetes

check: env  ## format, lint, strict types, import contracts, known vulnerabilities (where they can be asked for), house tests
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(PYTHON) -I requirements/audit.py
	@$(BIN)/python -m pytest tests/house

format: env  ## rewrite the files as check wants them
	@$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format .

bench: env  ## measure, beside ccxt and the bare floors; the last line is the result as JSON
	@$(PYTHON) -I requirements/environment.py bench
	@$(BIN)/python -m bench

simulate: env  ## run histories from seeds on virtual time: VENUE=zetarium|binance-spot|binance-futures ENTRY=socket SEEDS=n FIRST_SEED=m, or SEED=n to read one; the last line is the result as JSON
	@PYTHONPATH=libs:. $(BIN)/python -m tests.simulation

chaos: env  ## kill, freeze, cut and fill up a running system, then judge: ROUNDS=n SEED=n VENUE=name ENTRY=socket KINDS=a,b; the last line is the result as JSON
	@$(BIN)/python -m tests.chaos

restore-test: env  ## restore the bus of a running system from an older state, or empty, recover, and look that nothing was doubled (1 min)
	@$(BIN)/python -m pytest -o python_files=restoring.py tests/recovery

cluster-test: env  ## a bus of three nodes and two shards, restarted, killed, moved, added and drained under load: RATE=n ONLY=a,b OTHER=revision BUSY=1; the last line is the result as JSON
	@$(BIN)/python -m tests.cluster

docker-test: env  ## build the image, start compose, trade, kill containers, compare all books; the last line is the result as JSON
	@$(BIN)/python -m tests.containers

sbom:  ## write the bill of materials (CycloneDX) to build/sbom.cdx.json
	@$(PYTHON) -I requirements/sbom.py

audit:  ## ask OSV for known vulnerabilities of what runs; says skipped where it cannot be reached, after 4 s at most
	@$(PYTHON) -I requirements/audit.py

docs: env  ## write the generated documents again
	@$(BIN)/python -m ordergate.wire.documents docs

# One resolution, bench.lock; the others are parts of it, so the same versions are tested, measured and run.
# kubernetes.lock holds only what comes to dev: what its packages need is there already, or (of the one with kubectl in it) not needed.
# A lock keeps what it has unless its .in asks for more; make lock UPGRADE=--upgrade takes what is new.
COMPILE = $(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 \
	--no-header --no-emit-index-url --no-emit-find-links $(UPGRADE)
PRODUCTION := requirements/client.in requirements/runtime.in
lock: env  ## write requirements/*.lock from *.in
	@$(COMPILE) requirements/build.in --output-file requirements/build.lock >/dev/null
	@$(COMPILE) $(PRODUCTION) requirements/dev.in requirements/bench.in --output-file requirements/bench.lock >/dev/null
	@$(COMPILE) $(PRODUCTION) requirements/dev.in --constraint requirements/bench.lock --output-file requirements/dev.lock >/dev/null
	@$(COMPILE) $(PRODUCTION) requirements/dev.in requirements/peers.in --constraint requirements/bench.lock --output-file requirements/peers.lock >/dev/null
	@$(COMPILE) --no-deps requirements/kubernetes.in --constraint requirements/bench.lock --output-file requirements/kubernetes.lock >/dev/null
	@$(COMPILE) $(PRODUCTION) --constraint requirements/dev.lock --output-file requirements/runtime.lock >/dev/null

clean:  ## remove the environment, caches and build results
	@rm -rf .venv .venv.lock .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build dist
	@find libs services tests examples bench -type d -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true
