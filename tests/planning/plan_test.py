import re
import sys

import pytest

import keras_gpt3
from keras_gpt3.planning import describe
from keras_gpt3.planning import estimate_training_memory
from keras_gpt3.planning import recomputation_share
from keras_gpt3.planning.training_choice import choose_training
from tests.planning.toy_config import TOY

MODULE = sys.modules["keras_gpt3.planning.plan"]


def test_the_plan_is_the_choice_for_what_is_left_of_a_device():
    plan = keras_gpt3.plan("gpt3_small_en", memory="16GB", devices=4)
    config = describe("gpt3_small_en").config
    # 524288 tokens are 256 rows of 2048, 64 for each device.
    choice, fits = choose_training(
        config, 64, int(0.9 * 16 * 10**9), dtype="mixed_bfloat16"
    )
    assert plan.fits and fits
    assert (plan.rows, plan.length, plan.devices) == (64, 2048, 4)
    assert plan.micro_batch_size == choice.micro_batch_size
    assert plan.rematerialization == choice.rematerialization
    assert plan.memory == choice.memory
    assert plan.device_memory == 16 * 10**9
    assert plan.headroom == 16 * 10**9 - choice.memory["total"]
    assert plan.headroom >= 0.1 * plan.device_memory
    assert plan.batch_tokens == 524288


def test_memory_follows_from_what_the_plan_says():
    plan = keras_gpt3.plan("gpt3_medium_en", memory="24GB", dtype="float32")
    assert plan.memory == estimate_training_memory(
        describe("gpt3_medium_en").config,
        dtype=plan.dtype,
        batch_size=plan.rows,
        length=plan.length,
        micro_batch_size=plan.micro_batch_size,
        rematerialization=plan.rematerialization,
    )
    assert plan.recomputation == recomputation_share(
        describe("gpt3_medium_en").config, plan.rematerialization
    )


def test_more_memory_never_computes_more():
    plans = [
        keras_gpt3.plan("gpt3_large_en", memory=f"{size}GB", devices=8)
        for size in range(16, 81, 8)
    ]
    shares = [plan.recomputation for plan in plans if plan.fits]
    assert shares == sorted(shares, reverse=True)
    fit = [plan.fits for plan in plans]
    assert fit == sorted(fit)
    assert len(set(fit)) == 2


def test_a_model_too_large_for_a_device_does_not_fit():
    plan = keras_gpt3.plan("gpt3_13b_en", memory="80GB", devices=8)
    assert not plan.fits
    assert plan.headroom < -100 * 10**9
    assert "each device holds the whole model" in plan.reason


def test_a_longer_row_enlarges_the_context():
    plan = keras_gpt3.plan("gpt3_small_en", "24GB", length=8192)
    longer = describe("gpt3_small_en").config | {"max_sequence_length": 8192}
    assert plan.rows == 64
    assert plan.memory == estimate_training_memory(
        longer,
        dtype="mixed_bfloat16",
        batch_size=64,
        micro_batch_size=plan.micro_batch_size,
        rematerialization=plan.rematerialization,
    )
    assert 'dtype="mixed_bfloat16", max_sequence_length=8192' in plan.code


def test_a_shorter_row_leaves_the_context():
    plan = keras_gpt3.plan("gpt3_small_en", "24GB", length=512)
    assert plan.rows == 1024
    assert "max_sequence_length" not in plan.code


def test_the_code_is_what_the_plan_says():
    plan = keras_gpt3.plan("gpt3_small_en", "12GB", dtype="float32")
    assert plan.code == (
        "model = keras_gpt3.GPT3.from_preset(\n"
        '    "gpt3_small_en", dtype="float32"\n'
        ")\n"
        f"model.compile(..., micro_batch_size={plan.micro_batch_size}, "
        f'rematerialization="{plan.rematerialization}")'
    )
    compile(plan.code, "code", "exec")


def test_the_memory_of_this_machine_is_the_default(monkeypatch):
    monkeypatch.setattr(MODULE, "available_memory", lambda: 20 * 10**9)
    plan = keras_gpt3.plan("gpt3_small_en")
    assert plan.device_memory == 20 * 10**9


def test_a_config_is_planned_with_a_batch_of_its_own():
    plan = keras_gpt3.plan(TOY, "4GB", devices=2, batch_tokens=128)
    assert plan.fits
    assert (plan.name, plan.rows) == ("GPT3Backbone", 4)


def test_a_config_without_a_recipe_needs_a_batch():
    message = (
        "batch_tokens must be given where the preset has no recipe. Received: "
        "batch_tokens=None, preset='GPT3Backbone'. Pass the tokens of the "
        "batch of all devices."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        keras_gpt3.plan(TOY, "4GB")


@pytest.mark.parametrize(
    ("devices", "batch_tokens", "rows", "nearest"),
    [(7, 524288, 256, 259), (6, 524288, 256, 258), (8, 2048, 1, 8)]
    + [(3, 2048, 1, 3), (5, 9 * 2048, 9, 10), (5, 7 * 2048, 7, 5)],
)
def test_devices_that_do_not_divide_the_rows_raise_with_the_nearest(
    devices, batch_tokens, rows, nearest
):
    message = (
        "devices must divide the rows of the batch. Received: "
        f"devices={devices}, batch_tokens={batch_tokens}, which are {rows} "
        f"rows of 2048 tokens. Use batch_tokens={nearest * 2048}, {nearest} "
        "rows."
    )
    options = {"memory": "24GB", "devices": devices}
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        keras_gpt3.plan("gpt3_small_en", batch_tokens=batch_tokens, **options)
    keras_gpt3.plan("gpt3_small_en", batch_tokens=nearest * 2048, **options)


@pytest.mark.parametrize("name", ["devices", "batch_tokens", "length"])
@pytest.mark.parametrize("value", [0, -8, 1.5, "8"])
def test_a_number_that_is_none_raises(name, value):
    message = f"{name} must be an integer of at least 1. Received: {name}="
    with pytest.raises(ValueError, match=re.escape(f"{message}{value!r}")):
        keras_gpt3.plan("gpt3_small_en", "24GB", **{name: value})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"memory": "much"}, "A size of memory must be a number of bytes"),
        ({"dtype": "int8"}, "dtype must be a known one. Received"),
        ({"preset": "gpt3_tiny_en"}, "preset must be a shipped name, "),
    ],
)
def test_a_wrong_argument_raises(arguments, message):
    arguments = {"preset": "gpt3_small_en", "memory": "24GB"} | arguments
    with pytest.raises(ValueError, match=re.escape(message)):
        keras_gpt3.plan(**arguments)


@pytest.mark.parametrize(
    ("batch_tokens", "whole"), [(100, 2048), (3000, 2048), (6000, 6144)]
)
def test_tokens_that_make_no_whole_rows_raise(batch_tokens, whole):
    message = (
        "batch_tokens must be a multiple of length. Received: batch_tokens="
        f"{batch_tokens}, length=2048. Use batch_tokens={whole}."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        keras_gpt3.plan("gpt3_small_en", "24GB", batch_tokens=batch_tokens)


def test_a_config_gets_no_code_that_loads_a_preset():
    plan = keras_gpt3.plan(TOY, "4GB", batch_tokens=64)
    assert plan.code.startswith("model.compile(..., micro_batch_size=None, ")
