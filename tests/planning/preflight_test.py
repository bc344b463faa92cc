import re

import pytest

from keras_gpt3.planning import check_fits
from keras_gpt3.planning import describe
from keras_gpt3.preset_loader import load_shipped_preset

LARGEST = load_shipped_preset("gpt3_175b_en")["backbone"]


def refusal(available, dtype="float32", name="gpt3_175b_en"):
    with pytest.raises(MemoryError) as error:
        check_fits(LARGEST, name, dtype, available)
    return str(error.value)


def test_what_does_not_fit_is_refused_with_need_stock_and_remedy():
    assert refusal(23_100_000_000) == (
        "The weights of gpt3_175b_en must fit into memory: 698.4 GB in float32 "
        "(2.8 TB with gradients and AdamW, to train). "
        "Received: available=23.1 GB. "
        "Use a smaller preset such as gpt3_2.7b_en, "
        'or keras_gpt3.describe("gpt3_175b_en") to plan.'
    )


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_half_precision_is_offered_where_it_would_fit(dtype):
    assert refusal(350 * 10**9, dtype).endswith(
        'Use dtype="bfloat16", a smaller preset such as gpt3_13b_en, '
        'or keras_gpt3.describe("gpt3_175b_en") to plan.'
    )


def test_half_precision_is_not_offered_to_what_has_it():
    message = refusal(340 * 10**9, "bfloat16")
    assert "349.2 GB in bfloat16 (1.4 TB with" in message
    assert "dtype=" not in message


def test_nothing_is_offered_where_nothing_fits():
    assert refusal(10**6).endswith(
        'available=1.0 MB. Use keras_gpt3.describe("gpt3_175b_en") to plan.'
    )


def test_the_larger_preset_is_offered_in_the_dtype_that_was_asked_for():
    assert "such as gpt3_2.7b_en," in refusal(20 * 10**9, "float32")
    assert "such as gpt3_6.7b_en," in refusal(20 * 10**9, "bfloat16")


def test_quantized_weights_are_not_said_to_be_trained():
    message = refusal(10**11, "int8_from_float32")
    assert "memory: 174.6 GB in int8_from_float32. Received" in message


def test_what_is_not_on_this_machine_is_described_by_its_config():
    message = refusal(10**6, name="hf://org/name")
    assert message.endswith("Use keras_gpt3.describe(config) to plan.")


def test_the_limit_is_the_weights_to_the_byte():
    weights = describe("gpt3_175b_en").memory("float32", None)["total"]
    check_fits(LARGEST, "gpt3_175b_en", "float32", weights)
    assert "available=698.4 GB" in refusal(weights - 1)


def test_overrides_count():
    longer = LARGEST | {"num_layers": 1, "max_sequence_length": 10**6}
    message = re.escape("58.9 GB in float32")
    with pytest.raises(MemoryError, match=message):
        check_fits(longer, "gpt3_175b_en", "float32", 50 * 10**9)


def test_the_machine_s_own_memory_and_keras_policy_are_the_default():
    absurd = LARGEST | {"num_layers": 10**9}
    with pytest.raises(MemoryError, match="in float32 .* Received: available="):
        check_fits(absurd, "absurd")
