"""Files of ONNX, LiteRT and OpenVINO, by their own runtimes."""

import logging
import re
import sys

import numpy as np
import pytest

from keras_gpt3 import GPT3
from keras_gpt3.export import export_model_file
from keras_gpt3.export import format_conversion
from keras_gpt3.export.model_file import SUFFIXES
from tests.export import runtimes
from tests.small_gpt3 import as_inputs
from tests.small_gpt3 import quantize
from tests.small_gpt3 import small_model

CONTEXT, PROMPT = 72, 8
pytestmark = [
    # Of the converters' own code: protobuf, numpy's and tf.lite's notices.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*tf.lite:UserWarning"),
]


@pytest.fixture(scope="module")
def model():
    """A model whose answers vary, and cross the window."""
    model = small_model(max_sequence_length=CONTEXT)
    generator = np.random.default_rng(3)
    for weight in model.weights:
        scale = 2.5 if "position" in weight.path else 0.4
        noise = generator.normal(0, scale, weight.shape)
        weight.assign(noise + ("gamma" in weight.path))
    model.compile(sampler="greedy")
    return model


@pytest.fixture(scope="module", params=runtimes.FORMATS)
def format(request):
    runtimes.need(request.param)
    return request.param


@pytest.fixture(scope="module")
def file(model, format, tmp_path_factory):
    """The function without a cache."""
    path = tmp_path_factory.mktemp("whole") / f"model{SUFFIXES[format]}"
    assert model.export(path, format=format, verbose=False) == path
    return path


@pytest.fixture(scope="module")
def cached_file(model, format, tmp_path_factory):
    """Those with one."""
    path = tmp_path_factory.mktemp("cached") / f"model{SUFFIXES[format]}"
    return model.export(path, format, cache_length=CONTEXT, verbose=False)


def test_logits_are_the_model_s_at_any_length_and_batch_size(model, file):
    run = runtimes.load(file)
    generator = np.random.default_rng(0)
    for batch_size, length in [(1, 1), (3, 5), (2, 33), (1, CONTEXT)]:
        shape = (batch_size, length)
        inputs = {
            "token_ids": generator.integers(61, size=shape, dtype="int32"),
            "padding_mask": np.arange(length) >= length // 3 * np.ones(shape),
        }
        logits = run(inputs)["logits"]
        # float32's rounding, in another order, among logits up to 20.
        np.testing.assert_allclose(logits, model(inputs), atol=2e-5)


def test_64_greedy_tokens_are_those_of_generate(model, cached_file):
    prompts = np.random.default_rng(1).integers(61, size=(3, PROMPT), dtype="i")
    answers = model.generate(
        as_inputs(prompts), max_length=CONTEXT, stop_token_ids=None
    )["token_ids"]
    extend = runtimes.load(cached_file, "extend")
    found = runtimes.generate(extend, prompts, CONTEXT)
    np.testing.assert_array_equal(found, answers)
    assert len(np.unique(found[:, PROMPT:])) > 10


def test_tokens_come_in_any_parts_and_none_beyond_the_cache(model, cached_file):
    extend = runtimes.load(cached_file, "extend")
    ids = np.random.default_rng(2).integers(61, size=(2, CONTEXT), dtype="i")
    expected = np.asarray(model(as_inputs(ids)))
    cache, index = runtimes.empty_cache(extend.inputs, 2), 0
    for size in (5, 9, 1, CONTEXT - 15):
        inputs = {
            "token_ids": ids[:, index : index + size],
            "index": np.array(index, "int32"),
        }
        logits, cache = runtimes.split(extend(inputs | cache))
        index += size
        np.testing.assert_allclose(logits, expected[:, index - 1], atol=2e-5)
    inputs = {"token_ids": ids[:, :1], "index": np.array(index, "int32")}
    try:
        logits, _ = runtimes.split(extend(inputs | cache))
    except Exception as error:  # Each runtime has its own.
        assert "index" in str(error) or "range" in str(error), error
    else:
        assert np.isnan(logits).all()


def test_prefill_of_litert_makes_the_cache_of_extend(model, tmp_path):
    runtimes.need("litert")
    path = tmp_path / "model.tflite"
    model.export(path, "litert", cache_length=CONTEXT, verbose=False)
    prefill, extend, whole = (
        runtimes.load(path, name)
        for name in ("prefill", "extend", "serving_default")
    )
    prompts = np.random.default_rng(1).integers(61, size=(2, PROMPT), dtype="i")
    rows = [
        runtimes.generate(extend, prompts, 20, *prefills)
        for prefills in ((), (prefill,))
    ]
    np.testing.assert_array_equal(*rows)
    logits, _ = runtimes.split(prefill({"token_ids": prompts}))
    np.testing.assert_allclose(
        logits, whole(as_inputs(prompts))["logits"][:, -1], atol=2e-5
    )


def test_more_tokens_than_positions_give_no_plausible_number(file):
    token_ids = np.ones((1, CONTEXT + 1), "int32")
    try:
        logits = runtimes.load(file)(as_inputs(token_ids))["logits"]
    except Exception as error:  # Each runtime has its own.
        assert "index" in str(error) or "range" in str(error), error
    else:
        assert np.isnan(logits).all()


@pytest.mark.quick_cases(3)
@pytest.mark.parametrize(
    "switches",
    [
        {"skip_padding_positions": True, "position_offset": 2},
        {"norm_first": False, "activation": "relu", "embedding_dim": 8},
        {"activation": "gelu", "scale_by_inverse_layer_index": True},
        {"activation": "silu", "layer_norm_affine": False, "use_bias": False},
    ],
    ids=lambda switches: next(iter(switches)),
)
def test_switches_of_other_families(switches, format, tmp_path):
    model = small_model(**switches)
    path = tmp_path / f"model{SUFFIXES[format]}"
    model.export(path, format, verbose=False)
    inputs = as_inputs(np.arange(20, dtype="int32").reshape(2, 10))
    inputs["padding_mask"][1, :3] = False
    logits = runtimes.load(path)(inputs)["logits"]
    seen = inputs["padding_mask"]
    np.testing.assert_allclose(
        logits[seen], np.asarray(model(inputs))[seen], atol=1e-5
    )


# === What is refused ===


def refused(message, error=ValueError):
    return pytest.raises(error, match=f"^{re.escape(message)}$")


def test_weights_that_are_not_float32_are_refused(tmp_path, format):
    path = tmp_path / f"model{SUFFIXES[format]}"
    label = format_conversion.LABELS[format]
    with refused(
        f"The layers of a model for {label} must be float32. Received: "
        "bfloat16 in token_embedding. Load the model with "
        "dtype='float32'."
    ):
        small_model(dtype="bfloat16").export(path, format)
    model = quantize(small_model(num_layers=1), mode="int8")
    model.save_to_preset(tmp_path / "saved")
    for quantized in (model, GPT3.from_preset(tmp_path / "saved")):
        with pytest.raises(
            ValueError, match=r"must not be quantized.*'int8' o"
        ):
            quantized.export(path, format)
    assert not path.exists()


def test_more_than_a_format_holds_is_refused(model, tmp_path, monkeypatch):
    monkeypatch.setitem(format_conversion._MOST_BYTES, "litert", 1000)
    with pytest.raises(ValueError, match=r"LiteRT must have less than 1000 by"):
        model.export(tmp_path / "model.tflite", "litert")
    assert list(tmp_path.iterdir()) == []


def test_another_ending_is_refused(model, tmp_path):
    path = tmp_path / "model.onnx"
    with refused(
        "filepath must end on .tflite for format='litert'. Received: "
        f"filepath='{path}'. Pass '{path.with_suffix('.tflite')}'."
    ):
        model.export(path, "litert")
    with pytest.raises(IsADirectoryError, match="must be a file or not exist"):
        path.mkdir()
        model.export(path, "onnx")


@pytest.mark.parametrize(
    ("length", "message"),
    [
        (0, "cache_length must be an integer of at least 1"),
        (CONTEXT + 1, f"cache_length must be at most max_sequence_length={72}"),
    ],
)
def test_a_cache_that_the_context_cannot_fill_is_refused(
    length, message, model, tmp_path
):
    with pytest.raises(ValueError, match=message):
        model.export(tmp_path / "m.onnx", "onnx", cache_length=length)
    assert list(tmp_path.iterdir()) == []


def test_an_option_of_keras_is_refused(model, tmp_path):
    with refused(
        "The options of format='onnx' must be among cache_length and verbose. "
        "Received: opset_version=18. Leave it out."
    ):
        model.export(tmp_path / "m.onnx", "onnx", opset_version=18)


def test_an_operation_that_a_format_lacks_is_named(
    format, model, tmp_path, monkeypatch
):
    import tensorflow as tf

    monkeypatch.setattr(
        GPT3.backbone_cls, "logits", lambda _, x: tf.math.bessel_i0(x)
    )
    label = format_conversion.LABELS[format]
    with refused(
        f"Each operation of the model must be one that {label} has. Received: "
        "BesselI0. Export to format='tf_saved_model', which holds any."
    ):
        path = tmp_path / "new" / f"model{SUFFIXES[format]}"
        export_model_file(model, path, format)
    assert list(tmp_path.iterdir()) == []
    # OpenVINO's converter would have hidden warnings from now on.
    assert logging.getLogger().isEnabledFor(logging.WARNING)


def test_a_missing_package_is_named(model, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    with pytest.raises(ImportError, match=r"pip install 'keras-gpt3\[onnx\]'"):
        model.export(tmp_path / "model.onnx", "onnx")
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_format_is_keras_to_refuse(model, tmp_path):
    with pytest.raises(ValueError, match="Unrecognized format"):
        model.export(tmp_path / "model", format="coreml")
