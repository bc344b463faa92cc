import logging
import sys

import pytest
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from keras_gpt3.export.serving_files import BatchingParameters
from keras_gpt3.export.serving_files import write_warmup_requests
from keras_gpt3.planning import cache_bytes
from keras_gpt3.planning import count_parameters
from keras_gpt3.preset_loader import load_shipped_preset
from tests.export.serving_config import read_batching
from tests.small_gpt3 import SMALL

# === Batching parameters ===


def parameters(preset, dtype):
    """The parameters of a preset, its config and its weights' bytes."""
    config = load_shipped_preset(preset)["backbone"]
    width = {"float32": 4, "bfloat16": 2}[dtype]
    weights = sum(count_parameters(config).values()) * width
    made = BatchingParameters.for_model(config, dtype, weights)
    return made, config, weights


@pytest.mark.parametrize(
    "preset, dtype, rows",
    [
        # A row takes 85 MB in float32, half of that in bfloat16.
        ("gpt3_small_en", "float32", 8),
        ("gpt3_small_en", "bfloat16", 16),
        ("gpt3_6.7b_en", "float32", 8),
        ("gpt3_175b_en", "bfloat16", 32),
    ],
)
def test_the_batch_is_what_memory_as_large_as_the_weights_holds(
    preset, dtype, rows
):
    made, config, weights = parameters(preset, dtype)
    assert made.max_batch_size == rows
    room = max(weights, 2 * 2**30)
    taken = cache_bytes(config, dtype, rows * made.num_batch_threads)
    assert taken <= room
    assert rows == 32 or 2 * taken > room


def test_small_models_decode_32_rows_and_huge_contexts_one():
    made = BatchingParameters.for_model(SMALL, "float32", 1000)
    assert made.max_batch_size == 32
    config = SMALL | {"max_sequence_length": 2**24}
    made = BatchingParameters.for_model(config, "float32", 1000)
    assert made.max_batch_size == 1


@pytest.mark.parametrize(
    "largest, sizes", [(1, (1,)), (8, (1, 2, 4, 8)), (2, (1, 2))]
)
def test_the_sizes_allowed_are_powers_of_two_up_to_the_largest(largest, sizes):
    assert BatchingParameters(largest).allowed_batch_sizes == sizes


def test_a_server_reads_the_parameters():
    made = BatchingParameters(4, 3, 500, 7)
    assert read_batching(made.as_text()) == {
        "max_batch_size": 4,
        "num_batch_threads": 3,
        "batch_timeout_micros": 500,
        "max_enqueued_batches": 7,
        "allowed_batch_sizes": [1, 2, 4],
        "pad_variable_length_inputs": True,
    }


# === Warmup requests ===


def requests(folder):
    """The requests that a server finds, in their order."""
    path = folder / "assets.extra" / "tf_serving_warmup_requests"
    for record in tf.data.TFRecordDataset(str(path)):
        log = prediction_log_pb2.PredictionLog.FromString(record.numpy())
        assert log.WhichOneof("log_type") == "predict_log"
        yield log.predict_log.request


def values(request):
    """A request's inputs as arrays."""
    return {k: tf.make_ndarray(v) for k, v in request.inputs.items()}


def test_each_batch_size_has_a_request_for_each_signature(tmp_path):
    path = write_warmup_requests(tmp_path, (1, 2, 4), 32)
    assert path.is_file()
    found = [
        (request.model_spec.signature_name, len(value))
        for request in requests(tmp_path)
        for key, value in values(request).items()
        if key in ("prompts", "contexts")
    ]
    sizes = (1, 2, 4)
    assert found == [(s, n) for n in sizes for s in ("generate", "score")]


def test_every_input_has_a_row_for_each_text(tmp_path):
    write_warmup_requests(tmp_path, (3,), 32)
    for request in requests(tmp_path):
        for value in values(request).values():
            assert value.shape[0] == 3


def test_the_requests_name_the_model_of_the_server(tmp_path):
    write_warmup_requests(tmp_path, (1,), 32, name="paul")
    names = {request.model_spec.name for request in requests(tmp_path)}
    assert names == {"paul"}


@pytest.mark.parametrize("context, new", [(2048, 4), (3, 2), (2, 1)])
def test_the_answers_are_short_and_fit_the_context(context, new, tmp_path):
    write_warmup_requests(tmp_path, (1,), context)
    generate, _ = requests(tmp_path)
    assert values(generate)["max_new_tokens"].tolist() == [new]
    assert values(generate)["prompts"].tolist() == [b"a"]


def test_a_context_of_one_token_is_only_scored(tmp_path):
    write_warmup_requests(tmp_path, (1,), 1)
    (request,) = requests(tmp_path)
    assert request.model_spec.signature_name == "score"


def test_without_the_extra_the_log_says_so(tmp_path, caplog, monkeypatch):
    # None makes Python raise ImportError.
    monkeypatch.setitem(sys.modules, "tensorflow_serving.apis", None)
    with caplog.at_level(logging.WARNING, "keras_gpt3"):
        assert write_warmup_requests(tmp_path, (1,), 32) is None
    assert caplog.messages == [
        "No warm-up requests were written, as tensorflow-serving-api is not "
        "installed; a server's first answers will be slower. Install it with: "
        "pip install 'keras-gpt3[serving]'"
    ]
    assert list(tmp_path.iterdir()) == []
