import json
import os
import subprocess
import sys

import numpy as np
import pytest

HEAVY = {
    "apache_beam",
    "fastapi",
    "lm_eval",
    "matplotlib",
    "orbit",
    "pydantic",
    "sklearn",
    "starlette",
    "tensorflow_datasets",
    "tiktoken",
    "torch",
    "transformers",
    "typer",
}

NEW_MODULES = """
import json, sys
import keras_hub
before = set(sys.modules)
import keras_gpt3
json.dump(sorted(set(sys.modules) - before), sys.stdout)
"""

FORWARD = """
import keras
import numpy as np
import keras_gpt3

backbone = keras_gpt3.GPT3Backbone(
    vocabulary_size=20, num_layers=2, num_heads=2, hidden_dim=8,
    intermediate_dim=16, max_sequence_length=40, attention_window=3,
)
generator = np.random.default_rng(0)
backbone.set_weights(
    [generator.normal(size=weight.shape) for weight in backbone.weights]
)
hidden_states = backbone.predict(
    {
        "token_ids": generator.integers(0, 20, (2, 37)),
        "padding_mask": np.ones((2, 37), "bool"),
    },
    verbose=0,
)
"""

TRAIN = """
model = keras_gpt3.GPT3(backbone)
x = {
    "token_ids": generator.integers(0, 20, (4, 37)),
    "padding_mask": np.ones((4, 37), "bool"),
}
y = generator.integers(0, 20, (4, 37))
model.compile(optimizer="sgd")
before = model.evaluate(x, y, verbose=0, return_dict=True)["loss"]
model.fit(x, y, verbose=0)
after = model.evaluate(x, y, verbose=0, return_dict=True)["loss"]
hidden_states = np.array([before, after])
"""

CHUNKED_LOSS = """
import importlib
chunked = importlib.import_module("keras_gpt3.ops.chunked_cross_entropy")
chunks = importlib.import_module("keras_gpt3.ops.token_chunks")
chunks._CHUNK_LOGITS = 20 * 8  # Chunks of eight tokens.
results = chunked.loss_and_gradients(
    keras.ops.array(generator.normal(size=(2, 17, 8)), "float32"),
    keras.ops.array(generator.normal(size=(20, 8)), "float32"),
    keras.ops.array(generator.integers(0, 20, (2, 17)), "int32"),
    keras.ops.array(generator.uniform(size=(2, 17)), "float32"),
)
hidden_states = np.concatenate([np.ravel(result) for result in results])
"""

PRINT = """
import json
print(json.dumps([keras.config.backend(), hidden_states.tolist()]))
"""


def start(code, **environment):
    return subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | environment,
        text=True,
    )


def finish(process):
    """The JSON that a process printed, a list where it printed two lines."""
    printed, errors = process.communicate()
    assert process.returncode == 0, errors
    lines = [json.loads(line) for line in printed.splitlines()]
    return lines if len(lines) > 1 else lines[0]


@pytest.fixture(scope="module")
def processes():
    """They take seconds to import what they need: side by side."""
    with (
        start(NEW_MODULES) as new_modules,
        start(
            FORWARD + PRINT + TRAIN + PRINT + CHUNKED_LOSS + PRINT,
            KERAS_BACKEND="jax",
        ) as jax,
    ):
        yield {"new modules": new_modules, "jax": jax}


def test_importing_loads_nothing_heavy_beyond_keras_hub(processes):
    modules = finish(processes["new modules"])
    packages = {name.partition(".")[0] for name in modules}
    assert "keras_gpt3" in packages
    assert not HEAVY.intersection(packages)
    assert not [m for m in modules if m.startswith("tensorflow_text")]


@pytest.mark.slow
def test_jax_gives_what_tensorflow_gives(processes):
    pytest.importorskip("jax", reason="the extra [jax] is not installed")
    here = {}
    forward, trained, chunked = finish(processes["jax"])
    exec(FORWARD, here)
    assert forward[0] == trained[0] == "jax"
    # float32 rounding of values up to 5, sums in another order.
    np.testing.assert_allclose(forward[1], here["hidden_states"], atol=2e-5)
    exec(TRAIN, here)
    # The same step of gradient descent on the same mean over tokens.
    np.testing.assert_allclose(trained[1], here["hidden_states"], rtol=1e-4)
    before = sys.modules["keras_gpt3.ops.token_chunks"]._CHUNK_LOGITS
    exec(CHUNKED_LOSS, here)
    here["chunks"]._CHUNK_LOGITS = before
    # float32 rounding of sums of 34 tokens.
    np.testing.assert_allclose(chunked[1], here["hidden_states"], atol=1e-4)


@pytest.mark.parametrize("backend", ["numpy", "openvino", "tensorflow2"])
def test_another_backend_raises_one_sentence_before_keras_loads(backend):
    process = start("import keras_gpt3", KERAS_BACKEND=backend)
    _, errors = process.communicate()
    assert process.returncode == 1
    assert errors.splitlines()[-1] == (
        "ImportError: KERAS_BACKEND must be 'tensorflow', 'jax' or 'torch' for "
        f"keras_gpt3. Received: KERAS_BACKEND='{backend}'. Set "
        "KERAS_BACKEND=tensorflow before Python starts."
    )


def test_the_names_that_are_listed_are_the_public_ones():
    import keras_gpt3

    assert dir(keras_gpt3) == sorted(keras_gpt3.__all__)
