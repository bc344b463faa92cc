import pytest

from keras_gpt3.export.serving_files import BatchingParameters
from keras_gpt3.planning import cache_bytes
from keras_gpt3.planning import count_parameters
from keras_gpt3.preset_loader import load_shipped_preset
from tests.export.serving_config import read_batching
from tests.small_gpt3 import SMALL


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
