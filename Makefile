# Few targets. `make demo` shows what Counterpart does; `make test` proves it.
VENV := .venv
PY := $(VENV)/bin/python
READY := $(VENV)/.ready

.PHONY: demo run test check fmt lock package audit fuzz instances bench soak crashes mutants clean help
.DEFAULT_GOAL := help

help: ## List the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/'

demo: $(READY) ## Play every scene against the simulator and check how each one ends (no Azure needed)
	@$(PY) -m simulator.demo

run: $(READY) ## Start the same world and stay up; prints its URLs
	@$(PY) -m simulator.demo --stay

# The demo's scenes run by the clock, so beside them only tests that need no more than the other core.
BESIDE_THE_DEMO := tests/settings_sync tests/groups tests/disruption tests/events tests/handlers tests/test_laws.py
TWO_CORES := -m pytest -n 2 --dist loadfile

test: check ## All checks, then all tests
	@$(PY) $(TWO_CORES) tests/test_demo.py $(BESIDE_THE_DEMO)
	@$(PY) $(TWO_CORES) $(patsubst %,--ignore %,tests/test_demo.py $(BESIDE_THE_DEMO))

check: $(READY) ## Format, lint, types, floors
	@$(VENV)/bin/ruff format --check --quiet . || { echo "run: make fmt"; exit 1; }
	@$(VENV)/bin/ruff check --quiet .
	@$(VENV)/bin/mypy
	@$(VENV)/bin/lint-imports --no-cache

fmt: $(READY) ## Format, and mend what ruff can mend
	@$(VENV)/bin/ruff format .
	@$(VENV)/bin/ruff check --fix .

MINUTES ?= 10

fuzz: $(READY) ## Fuzz every parser of outside bytes, MINUTES=10; FUZZER=--atheris when that is installed
	@$(PY) -m tests.fuzz --minutes $(MINUTES) $(FUZZER)

instances: $(READY) ## Two instances on one store under faults, over real HTTP, MINUTES=10; again by its SEED
	@$(PY) -m tests.instances --minutes $(MINUTES) $(if $(SEED),--seed $(SEED))

bench: $(READY) ## Measure the budgets, as counts and ratios
	@$(PY) -m benchmarks

soak: $(READY) ## Fresh random seeds of the simulation for HOURS=0.05 on CORES=1; each broken one is told as it comes
	@$(PY) -m proof soak --hours $(or $(HOURS),0.05) --cores $(or $(CORES),1)

crashes: $(READY) ## Die before and after every effect of every story, and count them; on CORES=1
	@$(PY) -m proof crashes --cores $(or $(CORES),1)

mutants: $(READY) ## Plant bugs that must be caught, then change every decision and see which tests notice
	@$(PY) -m proof.planted
	@$(PY) -m proof.mutation

lock: $(READY) ## Pin the dependencies anew, with hashes
	@$(PY) -m infra.requirements

package: $(READY) ## Build the deployment package, dist/counterpart-<version>.zip
	@$(PY) -m infra.package

audit: $(READY) ## Ask a vulnerability service about the pinned dependencies (needs the internet)
	@$(VENV)/bin/uv tool run --quiet pip-audit@2.10.1 --strict --disable-pip --require-hashes -r requirements.txt

clean: ## Remove what the targets made
	@rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis

# The virtual environment: made once, and again when the pins change.
$(READY): requirements-dev.txt
	@python=$$(PYTHON="$(PYTHON)" .ci/find-python) && echo "making $(VENV) with $$python" && \
		"$$python" -m venv $(VENV)
	@$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(READY)
