import re
import sys

import pytest

from keras_gpt3.planning import check_training_fits
from keras_gpt3.planning import estimate_training_memory
from keras_gpt3.planning import format_bytes
from keras_gpt3.planning.training_memory import choose_training
from keras_gpt3.preset_loader import load_shipped_preset

SMALL = load_shipped_preset("gpt3_small_en")["backbone"]
MODULE = sys.modules["keras_gpt3.planning.preflight"]


def needed(**options):
    return estimate_training_memory(SMALL, **options)["total"]


def refusal(available, **options):
    with pytest.raises(MemoryError) as error:
        check_training_fits(
            SMALL, "gpt3_small_en", available=available, **options
        )
    return str(error.value)


def test_what_does_not_fit_is_refused_with_need_stock_and_remedy():
    available = 8 * 10**9
    remedy, fits = choose_training(
        SMALL, 16, available, dtype="float32", optimizer="adamw"
    )
    assert fits and remedy.micro_batch_size is not None
    assert refusal(available, batch_size=16) == (
        "A training step of gpt3_small_en must fit into memory: "
        f"{format_bytes(needed(batch_size=16))} in float32 for 16 rows of "
        "2048 tokens, 0 B of them taken already. Received: available=8.0 GB, "
        "micro_batch_size=None, rematerialization='none'. Compile with "
        f"{remedy.arguments}."
    )


def test_the_remedy_passes():
    remedy, _ = choose_training(SMALL, 16, 8 * 10**9)
    check_training_fits(
        SMALL,
        "gpt3_small_en",
        batch_size=16,
        micro_batch_size=remedy.micro_batch_size,
        rematerialization=remedy.rematerialization,
        available=8 * 10**9,
    )


def test_where_nothing_fits_a_smaller_model_is_offered():
    least, _ = choose_training(SMALL, 2, 0)
    assert refusal(10**9, batch_size=2).endswith(
        f"Even {least.arguments} takes {format_bytes(least.memory['total'])}: "
        "use a smaller model, shorter rows or a device with more memory."
    )


def test_what_the_estimate_may_be_too_high_by_is_not_refused():
    limit = int(0.85 * needed()) + 1
    check_training_fits(SMALL, "gpt3_small_en", available=limit)
    assert "must fit into memory" in refusal(limit - 2)


def test_variables_that_are_in_memory_count_as_available():
    memory = estimate_training_memory(SMALL)
    variables = memory["weights"] + memory["optimizer"]
    left = int(0.85 * memory["total"]) + 1 - variables
    options = {"allocated": variables}
    check_training_fits(SMALL, "gpt3_small_en", available=left, **options)
    message = refusal(left - 2, **options)
    assert f"{format_bytes(variables)} of them taken already" in message
    assert "tokens, 0 B of them" in refusal(left)


def test_the_arguments_of_the_step_count():
    options = {
        "dtype": "mixed_bfloat16",
        "optimizer": "sgd",
        "batch_size": 8,
        "length": 1024,
        "micro_batch_size": 2,
        "rematerialization": 2,
    }
    limit = int(0.85 * needed(**options)) + 1
    check_training_fits(SMALL, "gpt3_small_en", available=limit, **options)
    message = refusal(limit - 2, **options)
    assert "in mixed_bfloat16 for 8 rows of 1024 tokens" in message
    assert "micro_batch_size=2, rematerialization=2. " in message


def test_the_machine_s_own_memory_is_the_default(monkeypatch):
    monkeypatch.setattr(MODULE, "available_memory", lambda: 10**9)
    with pytest.raises(MemoryError, match=re.escape("available=1.0 GB")):
        check_training_fits(SMALL, "gpt3_small_en")
    monkeypatch.setattr(MODULE, "available_memory", lambda: 10**12)
    check_training_fits(SMALL, "gpt3_small_en")


def test_a_wrong_argument_is_an_error_of_its_own():
    with pytest.raises(ValueError, match="micro_batch_size must divide"):
        check_training_fits(
            SMALL, "gpt3_small_en", batch_size=3, micro_batch_size=2
        )
