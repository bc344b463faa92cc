# Every target creates what it needs. `make venv` is the only step that
# installs, and only the first time or when a requirement changes.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
EXTRAS := pretrain,corpus,evaluate,convert,serving,jax,dev

.PHONY: venv quickstart test lint format bench wheel clean

venv: $(STAMP)

$(STAMP): setup.cfg pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt \
		--editable ".[$(EXTRAS)]"
	touch $@

quickstart: venv
	$(BIN)/python examples/quickstart.py

lint: venv
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/codespell

format: venv
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# A file's tests stay together: they share what they build. XLA keeps what it
# compiled until its process ends, 10 MB a function: in one run, all tests
# would hold more than 20 GB.
PYTEST := $(BIN)/python -m pytest --numprocesses 2 --dist loadfile \
	--max-worker-restart 1
MODEL_TESTS := tests/layers tests/models tests/ops
TRAINING_TESTS := tests/export tests/generation tests/parallel tests/training
USE_TESTS := tests/cli tests/corpus tests/evaluation tests/serving
# What runs on Keras' JAX backend, too.
JAX_TESTS := $(MODEL_TESTS) tests/generation tests/parallel \
	$(wildcard tests/training/jax_*_test.py tests/training/sharded_*_test.py)
OTHER_TESTS := $(addprefix --ignore=, \
	$(MODEL_TESTS) $(TRAINING_TESTS) $(USE_TESTS)) tests

test: lint
	$(PYTEST) $(MODEL_TESTS)
	$(PYTEST) $(TRAINING_TESTS)
	$(PYTEST) $(USE_TESTS)
	$(PYTEST) $(OTHER_TESTS)
	KERAS_BACKEND=jax $(PYTEST) $(JAX_TESTS)

bench: venv
	for script in benchmarks/*.py; do $(BIN)/python $$script || exit 1; done

wheel: venv
	$(BIN)/python -m build --wheel --outdir dist .

clean:
	rm -rf $(VENV) build dist *.egg-info runs
