"""Exports of models in fewer bits, against the live models."""

import types

import numpy as np
import pytest
import tensorflow as tf
from keras.quantizers import Int8QuantizationConfig

from keras_gpt3.export import saved_model
from keras_gpt3.export.saved_model import Endpoints
from keras_gpt3.ops.op_compilation import op_compilation
from tests.export.stock_tensorflow import run_script
from tests.export.stock_tensorflow import stored_bytes
from tests.exported_models import CONTEXT
from tests.exported_models import make_prompts
from tests.small_gpt3 import quantize
from tests.small_gpt3 import small_model

COMPRESSED = {
    "bfloat16": None,
    "int8, weights alone": {
        "config": Int8QuantizationConfig(activation_quantizer=None)
    },
    "int4": {"mode": "int4"},
}


def make_model(dtype):
    """A model of one layer that does not repeat itself."""
    model = small_model(
        num_layers=1,
        attention_pattern=("banded",),
        max_sequence_length=CONTEXT,
        dtype=dtype,
    )
    generator = np.random.default_rng(1)
    for weight in model.weights:
        scale = 1.0 if "position" in weight.path else 0.4
        noise = generator.normal(size=weight.shape, scale=scale)
        weight.assign(noise + ("gamma" in weight.path))
    return model


@pytest.fixture(scope="module")
def compressed(tmp_path_factory):
    """Live answers of models in fewer bits, those exported, and the scan."""
    folder = tmp_path_factory.mktemp("compressed")
    prompts = make_prompts()
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(saved_model, "Endpoints", OnlyTokens)
        for name, arguments in COMPRESSED.items():
            policy = "bfloat16" if name == "bfloat16" else "float32"
            model = make_model(policy)
            if arguments is not None:
                quantize(model, **arguments)
            model.compile(sampler="greedy", jit_compile=False)
            # XLA rounds bfloat16 elsewhere, which tells where two tokens tie.
            with op_compilation(False):
                live = model.generate(prompts)["token_ids"]
            version = model.export(folder / name, verbose=False)
            found[name] = types.SimpleNamespace(
                live=live, folder=version, tokens=generate(version, prompts)
            )
    report = run_script(scan=[str(x.folder) for x in found.values()])
    return found, report["refused"]


def generate(version, prompts):
    """The export's greedy tokens."""
    signatures = tf.saved_model.load(str(version)).signatures
    return signatures["generate_tokens"](
        **{key: tf.constant(value) for key, value in prompts.items()},
        temperature=tf.constant(0.0),
        top_k=tf.constant(0),
        seed=tf.constant(0),
        end_token_id=tf.constant(-1),
    )["token_ids"].numpy()


class OnlyTokens(Endpoints):
    """Less to trace."""

    def functions(self):
        return {"generate_tokens": super().functions()["generate_tokens"]}


@pytest.mark.parametrize("name", COMPRESSED)
def test_a_model_in_fewer_bits_answers_as_it_does_live(name, compressed):
    found = compressed[0][name]
    tokens = found.tokens
    np.testing.assert_array_equal(tokens, found.live)
    assert len(np.unique(tokens)) > 10


def test_models_in_fewer_bits_hold_nothing_that_stock_serving_refuses(
    compressed,
):
    assert set(map(tuple, compressed[1].values())) == {()}
    assert len(compressed[1]) == len(COMPRESSED)


def test_weights_are_stored_in_the_bits_that_they_have(compressed):
    stored = {name: stored_bytes(x.folder) for name, x in compressed[0].items()}
    shapes = [weight.shape for weight in make_model("float32").weights]
    sizes = [size for size in map(np.prod, shapes) if size >= 100]
    assert stored["bfloat16"] == 2 * sum(sizes)
    # Positions stay as they are, and every column has its scale.
    assert stored["int8, weights alone"] < 0.5 * 4 * sum(sizes)
    assert stored["int4"] < stored["int8, weights alone"]
