# Every target installs what it needs, the first time and when a requirement
# changes: `quickstart` the package alone, `lint` its two tools, others all
# extras.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PLAIN_STAMP := $(VENV)/.installed-plain
LINT_STAMP := $(VENV)/.installed-lint
DOCS_STAMP := $(VENV)/.installed-docs
TORCH_STAMP := $(VENV)/.installed-torch
EXTRAS := pretrain,corpus,evaluate,translation,convert,serving,onnx,litert,openvino,jax,dev

.PHONY: venv quickstart test test-all test-torch lint format docs bench wheel clean

venv: $(STAMP)

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

INSTALL := $(BIN)/python -m pip install --quiet --constraint constraints.txt

$(STAMP): setup.cfg pyproject.toml constraints.txt | $(BIN)/python
	$(INSTALL) --editable ".[$(EXTRAS)]"
	touch $@

$(PLAIN_STAMP): setup.cfg pyproject.toml constraints.txt | $(BIN)/python
	$(INSTALL) --editable .
	touch $@

$(LINT_STAMP): constraints.txt | $(BIN)/python
	$(INSTALL) codespell ruff
	touch $@

quickstart: $(PLAIN_STAMP)
	$(BIN)/python examples/quickstart.py

lint: $(LINT_STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/codespell

format: $(LINT_STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# A file's tests stay together: they share what they build. XLA keeps what it
# compiled until its process ends, 10 MB a function: in one run, all tests
# would hold more than 20 GB.
PYTEST := $(BIN)/python -m pytest --numprocesses 2 --dist loadfile \
	--max-worker-restart 1
MODEL_TESTS := tests/generation tests/layers tests/models tests/ops
TRAINING_TESTS := tests/export tests/parallel tests/training
EVALUATION_TESTS := tests/cli tests/evaluation
DOCS_TESTS := tests/documentation
OTHER_TESTS := $(addprefix --ignore=, \
	$(MODEL_TESTS) $(TRAINING_TESTS) $(EVALUATION_TESTS) $(DOCS_TESTS)) tests
# What runs on Keras' JAX backend as well; `make test` has what is JAX' own.
JAX_TESTS := tests/ops/attention tests/training/jax \
	$(wildcard tests/training/checkpoints/sharded_*_test.py \
	tests/training/checkpoints/orbax_*_test.py \
	tests/training/run/jax_*_test.py)
ALL_JAX_TESTS := $(filter-out tests/ops/% tests/training/run/%, $(JAX_TESTS)) tests/generation \
	tests/layers tests/models tests/ops tests/parallel tests/training/run

# A part of them: `make test TESTS="tests/ops -k window"`.
ifdef TESTS
test: lint venv
	$(PYTEST) $(TESTS)
else
test: lint venv
	$(PYTEST) $(MODEL_TESTS)
	$(PYTEST) $(TRAINING_TESTS)
	$(PYTEST) $(EVALUATION_TESTS)
	$(PYTEST) $(OTHER_TESTS)
	KERAS_BACKEND=jax $(PYTEST) $(JAX_TESTS)
endif

# With those marked slow: killed processes, several workers, a browser, the
# wheel, the examples, all cases of what has many, and JAX' models.
ALL := -m "slow or not slow"
test-all: lint venv
	$(PYTEST) $(ALL) $(MODEL_TESTS)
	$(PYTEST) $(ALL) $(TRAINING_TESTS)
	$(PYTEST) $(ALL) $(EVALUATION_TESTS)
	$(PYTEST) $(ALL) $(OTHER_TESTS)
	KERAS_BACKEND=jax $(PYTEST) $(ALL) $(ALL_JAX_TESTS)

$(TORCH_STAMP): $(STAMP)
	$(INSTALL) --editable ".[$(EXTRAS),torch]" transformers
	touch $@

# What reads a pickle, is compared with transformers, or runs on Keras' PyTorch
# backend, which loads what TensorFlow saved.
NEEDS_TORCH_TESTS := tests/converters/weight_files_test.py \
	tests/models/across_backends_test.py tests/models/checkpoint_parity_test.py \
	tests/models/presets/transformers_test.py \
	tests/models/presets/transformers_check_test.py
TORCH_TESTS := tests/backend_check_test.py tests/generation/beam_sampler_test.py \
	tests/generation/seeded_sampler_test.py \
	tests/generation/token_choice_test.py \
	tests/models/generate/generate_function_test.py \
	tests/models/generate/generating_causal_lm_test.py \
	tests/models/presets/transformers_test.py \
	tests/models/score/scoring_causal_lm_test.py tests/ops/eager_backend_test.py
test-torch: $(TORCH_STAMP)
	$(PYTEST) $(ALL) -k "not jax" $(NEEDS_TORCH_TESTS)
	KERAS_BACKEND=torch $(PYTEST) $(TORCH_TESTS)

$(DOCS_STAMP): $(STAMP)
	$(INSTALL) --editable ".[$(EXTRAS),docs]"
	touch $@

# What pages print is run, each by itself, notebooks are executed, and warnings
# are errors.
docs: $(DOCS_STAMP)
	$(PYTEST) --dist load $(DOCS_TESTS)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build

# Without the script that needs a GPU.
bench: venv
	for script in $(filter-out benchmarks/gpu.py,$(wildcard benchmarks/*.py)); \
	do $(BIN)/python $$script || exit 1; done

# Wheel and sdist, each tried in an environment that holds nothing else.
TRY := import keras_gpt3; \
	model = keras_gpt3.GPT3.from_preset("gpt3_small_en", num_layers=1); \
	print(model.generate("To be or not to be,", max_length=10))
wheel: venv
	rm -rf dist build/empty
	$(BIN)/python -m build --outdir dist .
	$(PYTHON) -m venv build/empty
	for package in dist/*.whl dist/*.tar.gz; do \
		build/empty/bin/pip install --quiet --constraint constraints.txt \
			$$package && (cd build && empty/bin/keras-gpt3 describe && \
			empty/bin/python -c '$(TRY)') && \
		build/empty/bin/pip uninstall --quiet --yes keras-gpt3 || exit 1; \
	done

clean:
	rm -rf $(VENV) .cache build dist site *.egg-info runs
