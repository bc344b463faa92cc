"""All signatures in a SavedModel, which stock TensorFlow must run."""

import inspect
import json
import pathlib
import subprocess
import sys
import types

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from keras_gpt3.export.saved_model import Endpoints
from keras_gpt3.ops import op_compilation
from tests.export.traced_endpoints import TracedEndpoints
from tests.export.traced_endpoints import lively_text_model
from tests.small_gpt3 import small_model

SCRIPT = pathlib.Path(__file__).parent / "run_saved_model.py"
DEFAULTS = {
    "max_new_tokens": [64],
    "temperature": [1.0],
    "top_k": [0],
    "top_p": [1.0],
    "seed": [-1],
    "truncate": [b""],
    "stop": [[b""]],
}
PROMPTS = ["the cat", "a"]


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("export")
    model = lively_text_model(max_sequence_length=80)
    endpoints = Endpoints(model)
    archive = keras.export.ExportArchive()
    for resource in [model.backbone, *endpoints.tracked]:
        archive.track(resource)
    with op_compilation(False):
        for name, (function, specs) in endpoints.functions().items():
            archive.add_endpoint(name, function, input_signature=specs)
        archive.write_out(folder, verbose=False)
    proto = saved_model_pb2.SavedModel.FromString(
        (folder / "saved_model.pb").read_bytes()
    )
    return types.SimpleNamespace(
        folder=folder,
        model=model,
        loaded=tf.saved_model.load(str(folder)),
        signatures=proto.meta_graphs[0].signature_def,
    )


@pytest.mark.slow
def test_stock_tensorflow_runs_all_of_them(exported):
    done = subprocess.run(
        [
            sys.executable,
            str(SCRIPT),
            json.dumps({"scan": [str(exported.folder)]}),
        ],
        check=True,
        stdout=subprocess.PIPE,
        cwd=SCRIPT.parent,
    )
    assert json.loads(done.stdout)["refused"] == {str(exported.folder): []}


def test_generate_is_what_a_client_gets_that_names_none(exported):
    names = list(exported.signatures["generate"].inputs)
    assert list(exported.signatures["serving_default"].inputs) == names
    assert next(iter(Endpoints(small_model()).functions())) == "logits"


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("generate", list(DEFAULTS)),
        ("score", ["truncate"]),
        ("extend", ["temperature", "top_k", "top_p", "seed"]),
        ("tokenize", []),
    ],
)
def test_defaults_are_in_the_signature(exported, name, options):
    signature = exported.signatures[name]
    assert set(signature.defaults) == set(options)
    for option in options:
        default = tf.make_ndarray(signature.defaults[option])
        assert default.tolist() == DEFAULTS[option]
        assert (
            signature.inputs[option].dtype == signature.defaults[option].dtype
        )
        # A scalar serves all rows, a vector each row.
        assert signature.inputs[option].tensor_shape.unknown_rank


@pytest.mark.slow
def test_a_loaded_export_fills_defaults_in(exported):
    prompts = tf.constant(PROMPTS)
    one = tf.constant(1)
    answer = exported.loaded.generate(prompts, seed=one)
    expected = TracedEndpoints(exported.model)(
        "generate", prompts=PROMPTS, seed=1
    )
    for name, value in answer.items():
        np.testing.assert_array_equal(value, expected[name])
    assert answer["num_tokens"].shape == (2,)
    again = exported.loaded.generate(prompts, seed=tf.constant([0, 1]))
    assert again["texts"][1] == answer["texts"][1]
    assert again["texts"][0] != answer["texts"][0]


def test_without_a_seed_calls_and_rows_draw_differently(exported):
    # What a process that exports may have called.
    keras.utils.set_random_seed(1)
    prompts = tf.constant(["the cat"] * 3)
    found = [exported.loaded.generate(prompts)["texts"] for _ in range(2)]
    assert len({text for texts in found for text in texts.numpy()}) == 6


def test_a_stream_runs_as_exported(exported):
    signatures = exported.loaded.signatures
    ids = signatures["tokenize"](texts=tf.constant(["the cat"]))["token_ids"]
    length = int(ids.shape[1])
    state = signatures["prefill"](
        token_ids=ids, cache_length=tf.constant(length + 6)
    )
    state |= {
        "token_ids": tf.pad(ids, [[0, 0], [0, 6]]),
        "index": tf.constant(length),
    }
    settings = {
        name: tf.constant(DEFAULTS[name], dtype)
        for name, dtype in (("top_k", "int32"), ("top_p", "float32"))
    } | {"temperature": tf.constant(0.0), "seed": tf.constant(0)}
    for end in (length + 2, length + 6):
        state = signatures["extend"](end=tf.constant(end), **state, **settings)
        state.pop("stopped")
    whole = exported.loaded.generate(
        tf.constant(["the cat"]),
        max_new_tokens=tf.constant(6),
        temperature=tf.constant(0.0),
    )
    new = state["token_ids"][:, length:]
    text = signatures["detokenize"](token_ids=new, lengths=tf.constant([6]))
    received = text["texts"][0].numpy().decode("utf-8", "replace")
    assert received == whole["texts"][0].numpy().decode()


def test_each_argument_of_a_function_has_its_spec(exported):
    for function, specs in Endpoints(exported.model).functions().values():
        names = inspect.signature(function).parameters
        assert [spec.name for spec in specs] == list(names)


def test_without_a_preprocessor_there_are_signatures_of_ids_only():
    endpoints = Endpoints(small_model())
    (slots,) = endpoints.tracked
    # Keys and values of each layer, and the size.
    assert len(slots.variables) == 2 * small_model().backbone.num_layers + 1
    names = {"logits", "score_tokens", "generate_tokens", "prefill"}
    names |= {"extend", "resize_slots", "fill_slot", "read_into_slot"}
    names |= {"step_slots", "verify_slots"}
    assert set(endpoints.functions()) == names
