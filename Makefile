VENV := .venv
BIN := $(VENV)/bin
.DEFAULT_GOAL := run
.PHONY: run test unit check format lock audit replay turmoil torture rehearsal failover overload faults fuzz
.PHONY: bench bench-growth bench-memory bench-sign-in bench-import

$(VENV)/.run: requirements.lock pyproject.toml
	python3 -m venv $(VENV)
	$(BIN)/pip install --quiet --requirement requirements.lock
	$(BIN)/pip install --quiet --no-deps --editable .
	touch $@

$(VENV)/.dev: requirements-dev.lock pyproject.toml
	python3 -m venv $(VENV)
	$(BIN)/pip install --quiet --requirement requirements-dev.lock
	$(BIN)/pip install --quiet --no-deps --editable .
	touch $@ $(VENV)/.run

run: $(VENV)/.run ## the service on the embedded SQLite file, at http://127.0.0.1:8000
	$(BIN)/tradepost serve $(ARGS)

test: $(VENV)/.dev ## every test, PostgreSQL included (ARGS="tests/unit -x")
	$(BIN)/pytest --numprocesses 2 --dist loadfile $(ARGS)

unit: $(VENV)/.dev ## the tests that need no database
	$(BIN)/pytest tests/unit

check: $(VENV)/.dev ## what must hold before anything is tested
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	mkdir -p build
	TRADEPOST_DATABASE_URL=postgresql:///any $(BIN)/tradepost db upgrade --sql > build/upgrade.sql
	$(BIN)/squawk build/upgrade.sql

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: $(VENV)/.dev ## the newest versions that pyproject.toml allows
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --upgrade \
		--output-file requirements.lock pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --upgrade \
		--extra dev --constraint requirements.lock --output-file requirements-dev.lock pyproject.toml

audit: $(VENV)/.dev ## whether what is installed has known vulnerabilities; needs the network
	$(BIN)/uv tool run pip-audit --strict --disable-pip --require-hashes --requirement requirements.lock

replay: $(VENV)/.dev ## a real month of retail through the HTTP API (ARGS="--database postgresql")
	$(BIN)/python -m tests.replay $(ARGS)

turmoil: $(VENV)/.dev ## 64 clients do whatever they like for 30 s (ARGS="--database sqlite")
	$(BIN)/python -m tests.turmoil $(ARGS)

torture: $(VENV)/.dev ## servers and databases are killed while clients trade (ARGS="--seconds 20 --seed 2")
	$(BIN)/python -m tests.torture --database sqlite $(ARGS)
	$(BIN)/python -m tests.torture --database postgresql $(ARGS)

rehearsal: $(VENV)/.dev ## the schema changes under 1 000 000 orders and live traffic (ARGS="--orders 10000")
	$(BIN)/python -m tests.rehearsal $(ARGS)

failover: $(VENV)/.dev ## five primaries die under orders, and their standbys take over (ARGS="--rounds 1")
	$(BIN)/python -m tests.replication $(ARGS)

overload: $(VENV)/.dev ## 2 000 clients, slow ones, and a database that stands still (ARGS="--seconds 10")
	$(BIN)/python -m tests.overload $(ARGS)

faults: $(VENV)/.dev ## every fault at everything that any operation asks its storage for
	TRADEPOST_TEST_EVERY_FAULT=1 $(BIN)/pytest --numprocesses 2 tests/http/test_faults.py $(ARGS)

fuzz: $(VENV)/.dev ## whatever the OpenAPI document allows, and more, for minutes (ARGS="--max-time 60")
	$(BIN)/python -m tests.fuzz --phases coverage,fuzzing,stateful --max-time 300 $(ARGS)

bench: $(VENV)/.dev ## how quick it is, beside the usual way and the possible (ARGS="--quick --only place")
	$(BIN)/python -m tests.benchmarks $(ARGS)

bench-growth: $(VENV)/.dev ## what reading costs as the shop grows to 1 000 000 products (ARGS="--quick")
	$(BIN)/python -m tests.benchmarks.growth $(ARGS)

bench-memory: $(VENV)/.dev ## what a worker takes to start, and for minutes on end (ARGS="--minutes 2")
	$(BIN)/python -m tests.benchmarks.memory $(ARGS)

bench-sign-in: $(VENV)/.dev ## what signing in costs others, and what its timing tells (ARGS="--quick")
	$(BIN)/python -m tests.benchmarks.sign_in $(ARGS)

bench-import: $(VENV)/.dev ## what importing costs, against a bare COPY (ARGS="--quick")
	$(BIN)/python -m tests.benchmarks.imports $(ARGS)
