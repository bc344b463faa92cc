import collections
import logging
import os
import re
import types

import numpy as np
import pytest
import tensorflow as tf
from keras.quantizers import AWQConfig
from keras.quantizers import Int8QuantizationConfig

from keras_gpt3.export import saved_model
from keras_gpt3.export.saved_model import Endpoints
from keras_gpt3.export.serving_bundle import check_served_as
from keras_gpt3.export.serving_bundle import write_serving_bundle
from keras_gpt3.export.serving_bundle import write_unless_edited
from keras_gpt3.export.serving_files import BatchingParameters
from keras_gpt3.ops.op_compilation import op_compilation
from tests.export.exported_models import CONTEXT
from tests.export.exported_models import make_prompts
from tests.export.serving_config import read_batching
from tests.export.serving_config import read_models
from tests.export.serving_config import read_monitoring
from tests.export.stock_tensorflow import run_script
from tests.small_gpt3 import quantize
from tests.small_gpt3 import small_model

# === Serving bundle ===


FILES = ["batching.config", "models.config", "monitoring.config"]


def bundle(folder, rows=4, **arguments):
    write_serving_bundle(folder, BatchingParameters(rows), **arguments)
    return {name: (folder / name).read_text() for name in FILES}


def test_a_server_reads_all_of_it(tmp_path):
    texts = bundle(tmp_path)
    assert sorted(os.listdir(tmp_path)) == FILES
    (model,) = read_models(texts["models.config"])
    assert (model.name, model.base_path) == ("gpt3", "/models/gpt3")
    assert model.model_platform == "tensorflow"
    batching = read_batching(texts["batching.config"])
    assert batching["max_batch_size"] == 4
    assert batching["allowed_batch_sizes"][-1] == 4
    prometheus = read_monitoring(texts["monitoring.config"])
    assert prometheus.enable
    assert prometheus.path == "/monitoring/prometheus/metrics"


@pytest.mark.parametrize(
    "base_path", ["/srv/my models", "s3://bucket/x", '/"quoted"\\', "/é"]
)
def test_name_and_place_can_be_chosen(base_path, tmp_path):
    texts = bundle(tmp_path, name="Paul-2.7b_x", base_path=base_path)
    (model,) = read_models(texts["models.config"])
    assert (model.name, model.base_path) == ("Paul-2.7b_x", base_path)


def test_the_base_path_follows_the_name(tmp_path):
    (model,) = read_models(bundle(tmp_path, name="small")["models.config"])
    assert model.base_path == "/models/small"


def test_files_of_an_earlier_export_are_replaced_in_silence(tmp_path, caplog):
    bundle(tmp_path, rows=4)
    texts = bundle(tmp_path, rows=8)
    assert read_batching(texts["batching.config"])["max_batch_size"] == 8
    assert caplog.records == []


def test_an_edited_file_is_kept_and_the_log_says_so(tmp_path, caplog):
    path = tmp_path / "batching.config"
    bundle(tmp_path)
    path.write_text("max_batch_size { value: 64 }\n")
    with caplog.at_level(logging.WARNING, "keras_gpt3"):
        texts = bundle(tmp_path, name="other")
    assert texts["batching.config"] == "max_batch_size { value: 64 }\n"
    assert caplog.messages == [
        f"Kept {path}, which was edited and differs from what belongs to this "
        "export. Remove it to have it written anew."
    ]
    assert read_models(texts["models.config"])[0].name == "other"


@pytest.mark.parametrize(
    "name, base_path, message",
    [
        (
            "my model",
            None,
            "name must consist of letters, digits, dots, dashes and "
            "underscores. Received: name='my model'. Pass one such as 'gpt3'.",
        ),
        (
            "gpt3",
            "models/gpt3",
            "base_path must be absolute or a URL, as TensorFlow Serving "
            "requires it. Received: base_path='models/gpt3'. Pass one such as "
            "'/models/gpt3'.",
        ),
    ],
)
def test_what_a_server_would_refuse_is_refused(name, base_path, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        check_served_as(name, base_path)


@pytest.mark.parametrize("name", ["", "a/b", "a\n", 'a"', "é"])
def test_names_that_would_break_the_config_are_refused(name):
    with pytest.raises(ValueError, match="^name must consist of letters"):
        check_served_as(name, None)


# === Compressed models ===


# Exports of models in fewer bits, against the live models.


COMPRESSED = {
    "bfloat16": None,
    "int8, weights alone": {
        "config": Int8QuantizationConfig(activation_quantizer=None)
    },
    "int4": {"mode": "int4"},
    "awq": {
        "config": AWQConfig(
            [np.arange(60)], "none", num_samples=1, sequence_length=CONTEXT
        )
    },
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
                live=live,
                folder=version,
                tokens=generate(version, prompts),
                num_bytes=bytes_by_dtype(model.backbone.variables),
            )
    report = run_script(scan=[str(x.folder) for x in found.values()])
    return found, report["refused"]


def bytes_by_dtype(tensors):
    """What tensors of each type take."""
    found = collections.Counter()
    for tensor in tensors:
        dtype = tf.as_dtype(tensor.dtype)
        found[dtype.name] += int(np.prod(tensor.shape)) * dtype.size
    return found


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


# Keras tells of the tables, which it stores in mode awq as they are.
@pytest.mark.filterwarnings("ignore:Invalid quantization mode")
@pytest.mark.slow
@pytest.mark.parametrize("name", COMPRESSED)
def test_a_model_in_fewer_bits_answers_as_it_does_live(name, compressed):
    found = compressed[0][name]
    tokens = found.tokens
    np.testing.assert_array_equal(tokens, found.live)
    assert len(np.unique(tokens)) > 10


@pytest.mark.filterwarnings("ignore:Invalid quantization mode")
@pytest.mark.slow
@pytest.mark.parametrize("name", COMPRESSED)
def test_weights_lie_in_the_file_as_they_do_in_memory(name, compressed):
    found = compressed[0][name]
    path = found.folder / "variables" / "variables"
    reader = tf.train.load_checkpoint(str(path))
    weights = [
        reader.get_tensor(key)
        for key in reader.get_variable_to_dtype_map()
        if key.startswith("weights/")
    ]
    assert bytes_by_dtype(weights) == found.num_bytes
    data = path.with_name("variables.data-00000-of-00001").stat().st_size
    packed = {"bfloat16": "bfloat16", "awq": "uint8"}.get(name, "int8")
    assert found.num_bytes[packed] >= 1000
    # Beside them are the names of what is saved.
    assert 0 <= data - sum(found.num_bytes.values()) < 10_000


@pytest.mark.slow
def test_models_in_fewer_bits_hold_nothing_that_stock_serving_refuses(
    compressed,
):
    assert set(map(tuple, compressed[1].values())) == {()}
    assert len(compressed[1]) == len(COMPRESSED)


# === Sealed text ===


def test_a_new_file_holds_the_text_below_a_comment(tmp_path):
    path = tmp_path / "a.config"
    assert write_unless_edited(path, "size: 1\n")
    comment, text = path.read_text().split("\n", 1)
    assert text == "size: 1\n"
    assert comment.startswith("# Written by keras_gpt3; ")


def test_a_file_that_nobody_edited_is_replaced(tmp_path):
    path = str(tmp_path / "a.config")
    for size in (1, 1, 2):
        assert write_unless_edited(path, f"size: {size}\n")
    with open(path) as file:
        assert file.read().endswith("\nsize: 2\n")
    assert os.listdir(tmp_path) == ["a.config"]


@pytest.mark.parametrize(
    "edit",
    [
        lambda text: text + "color: 3\n",
        lambda text: text.replace("1\n", "9\n"),
        lambda text: text.partition("\n")[2] + "color: 3\n",
        lambda text: "\n" + text,
        lambda text: "",
    ],
)
def test_an_edited_file_is_kept(edit, tmp_path):
    path = tmp_path / "a.config"
    write_unless_edited(path, "size: 1\n")
    edited = edit(path.read_text())
    path.write_text(edited)
    assert not write_unless_edited(path, "size: 2\n")
    assert path.read_text() == edited


def test_a_file_of_the_same_text_is_none_that_differs(tmp_path):
    path = tmp_path / "a.config"
    path.write_text("size: 1\n")
    assert write_unless_edited(path, "size: 1\n")
    assert path.read_text() == "size: 1\n"


def test_a_failure_leaves_the_file_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "a.config"
    write_unless_edited(path, "size: 1\n")
    before = path.read_text()

    def fail(_):
        raise OSError("full")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="full"):
        write_unless_edited(path, "size: 2\n")
    assert path.read_text() == before
    assert os.listdir(tmp_path) == ["a.config"]
