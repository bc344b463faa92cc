import re
import sys
import time

import pytest

import keras_gpt3
from keras_gpt3.planning import Links
from keras_gpt3.planning import describe
from keras_gpt3.planning import estimate_training_memory
from keras_gpt3.planning import recomputation_share
from keras_gpt3.planning.training_job import model_flops_per_token
from keras_gpt3.planning.training_memory import choose_training
from keras_gpt3.preset_loader import shipped_presets
from tests.planning.toy_config import TOY

MODULE = sys.modules["keras_gpt3.planning.plan"]


def test_the_plan_is_the_choice_for_what_is_left_of_a_device():
    plan = keras_gpt3.plan("gpt3_small_en", memory="16GB", devices=4)
    config = describe("gpt3_small_en").config
    # 524288 tokens are 256 rows of 2048, 64 for each device.
    choice, fits = choose_training(
        config,
        64,
        int(0.9 * 16 * 10**9),
        dtype="mixed_bfloat16",
        accelerator="tensorflow",
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
        accelerator="tensorflow",
    )
    assert plan.recomputation == recomputation_share(
        describe("gpt3_medium_en").config, plan.rematerialization
    )


def test_more_memory_never_computes_more():
    plans = [
        keras_gpt3.plan("gpt3_large_en", memory=f"{size}GB")
        for size in range(16, 81, 8)
    ]
    shares = [plan.recomputation for plan in plans if plan.fits]
    assert shares == sorted(shares, reverse=True)
    fit = [plan.fits for plan in plans]
    assert fit == sorted(fit)
    assert len(set(fit)) == 2


def test_a_model_too_large_for_a_device_is_split():
    plan = keras_gpt3.plan("gpt3_13b_en", memory="80GB", devices=8)
    assert plan.fits
    assert plan.mesh.devices == 8
    assert plan.shard_weights or plan.mesh != (8, 1, 1)
    assert "The whole model would take at least" in plan.reason
    assert plan.backend == "jax"
    alone = keras_gpt3.plan("gpt3_13b_en", memory="80GB")
    assert not alone.fits
    assert alone.headroom < -100 * 10**9
    assert "Use devices of " in alone.reason


def test_the_largest_model_fits_1024_devices_of_80_gb_but_not_8():
    plan = keras_gpt3.plan("gpt3_175b_en", "80GB", devices=1024)
    assert plan.fits
    assert plan.mesh.model <= 8 and plan.mesh.stages == 1
    assert plan.batch_tokens == 3145728
    few = keras_gpt3.plan("gpt3_175b_en", "80GB", devices=8)
    assert not few.fits
    assert few.headroom < 0
    assert ", or devices=64." in few.reason


def test_days_are_near_what_was_published():
    # Narayanan et al. 2021, section 5.1: 34 days for 300 billion tokens of a
    # GPT-3 on 1024 A100 at 140 TFLOP/s each, recomputation included.
    plan = keras_gpt3.plan(
        "gpt3_175b_en", "80GB", devices=1024, sustained_flops=140e12
    )
    assert plan.days == pytest.approx(34, rel=0.1)


def test_days_are_steps_of_the_seconds_said():
    plan = keras_gpt3.plan("gpt3_2.7b_en", "80GB", devices=64)
    steps = plan.total_tokens / plan.batch_tokens
    assert plan.days == pytest.approx(steps * plan.step_seconds / 86400)
    assert plan.total_tokens == 300e9
    flops = model_flops_per_token(describe("gpt3_2.7b_en").config)
    assert plan.petaflop_days == pytest.approx(flops * 300e9 / 86400e15)
    # A day of a petaflop/s at the sustained rate, if nothing else took time.
    least = plan.petaflop_days / (64 * 0.125)
    assert 0.999 * least < plan.days < 1.2 * least


def test_a_faster_device_takes_fewer_days():
    options = {"memory": "80GB", "devices": 8}
    days = [
        keras_gpt3.plan("gpt3_small_en", sustained_flops=rate, **options).days
        for rate in (1e12, 2e12, None)
    ]
    assert days[0] == pytest.approx(2 * days[1])
    assert days[2] < days[1]


@pytest.mark.parametrize("name", shipped_presets())
def test_table_d1_stands_beside_the_arithmetic_of_the_model(name):
    plan = keras_gpt3.plan(name, "80GB", devices=8)
    assert plan.table_d1 == describe(name).table_d1["petaflop_s_days"]
    # Table D.1 leaves attention out, and counts position embeddings.
    assert 1 < plan.petaflop_days / plan.table_d1 < 1.1


def test_a_mesh_can_be_given():
    plan = keras_gpt3.plan("gpt3_13b_en", "80GB", 8, mesh=(2, 4, 1))
    assert plan.mesh == (2, 4, 1)
    assert plan.rows == 512
    assert plan.communication["activations"] > 0
    staged = keras_gpt3.plan("gpt3_2.7b_en", "40GB", 8, mesh=(2, 1, 4))
    assert staged.backend == "tensorflow"
    assert 0 < staged.bubble < 1 / 5
    plain = keras_gpt3.plan("gpt3_small_en", "16GB", 4, mesh=(4, 1, 1))
    assert plain == keras_gpt3.plan("gpt3_small_en", "16GB", 4)


def test_links_are_what_is_said():
    slow = Links(network_bandwidth=1e9)
    plan = keras_gpt3.plan("gpt3_2.7b_en", "80GB", devices=64, links=slow)
    fast = keras_gpt3.plan("gpt3_2.7b_en", "80GB", devices=64)
    assert plan.links == slow and fast.links == Links()
    assert plan.days > fast.days


def test_a_plan_takes_less_than_two_seconds():
    for devices in (8, 1024):
        start = time.process_time()
        keras_gpt3.plan("gpt3_175b_en", "80GB", devices=devices)
        assert time.process_time() - start < 2


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
        accelerator="tensorflow",
    )
    assert 'dtype="mixed_bfloat16", max_sequence_length=8192' in plan.code


def test_a_shorter_row_leaves_the_context():
    plan = keras_gpt3.plan("gpt3_small_en", "24GB", length=512)
    assert plan.rows == 1024
    assert "max_sequence_length" not in plan.code


def test_the_code_is_what_the_plan_says():
    plan = keras_gpt3.plan("gpt3_small_en", "12GB", dtype="float32")
    assert '    "gpt3_small_en", dtype="float32"\n' in plan.code
    assert f"    micro_batch_size={plan.micro_batch_size},\n" in plan.code
    assert f'rematerialization="{plan.rematerialization}"' in plan.code
    compile(plan.code, "code", "exec")


def test_the_code_of_a_mesh_is_too():
    plan = keras_gpt3.plan("gpt3_175b_en", "80GB", devices=1024)
    mesh = f"({plan.mesh.data}, {plan.mesh.model})"
    assert f"DeviceMesh(\n    {mesh}," in plan.code
    assert ("shard_weights=True" in plan.code) is plan.shard_weights
    assert "# On each of the 128 hosts" in plan.code


def test_the_memory_of_this_machine_is_the_default(monkeypatch):
    monkeypatch.setattr(MODULE, "available_memory", lambda: 20 * 10**9)
    monkeypatch.setattr(MODULE, "device_memory", lambda: None)
    plan = keras_gpt3.plan("gpt3_small_en")
    assert plan.device_memory == 20 * 10**9
    # A CPU runs operation by operation, a GPU or a given device does not.
    assert "program" in plan.memory
    assert "program" not in keras_gpt3.plan("gpt3_small_en", "20GB").memory
    monkeypatch.setattr(MODULE, "device_memory", lambda: 20 * 10**9)
    assert "program" not in keras_gpt3.plan("gpt3_small_en").memory


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
    + [(5, 2048, 1, 5), (5, 9 * 2048, 9, 10), (5, 7 * 2048, 7, 5)],
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
        ({"preset": "gpt3_tiny_en"}, "preset must be a known name, "),
        ({"mesh": (2, 2, 1)}, "mesh must multiply to devices. Received"),
        ({"mesh": (2, 2, 2), "devices": 8}, "mesh must have a model axis or"),
        ({"mesh": (1, 8, 1), "devices": 8}, "The model axis must divide "),
        ({"mesh": (1, 1, 16), "devices": 16}, "stages must be at most the n"),
        ({"mesh": (4, 1, 4), "devices": 16}, "stages must be 1 where device"),
        ({"mesh": (3, 1, 1), "devices": 3}, "data must divide the rows of "),
        ({"mesh": "311"}, "mesh must be three integers of at least 1: data"),
        ({"sustained_flops": 0}, "sustained_flops must be above 0. Received"),
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
    assert "from_preset" not in plan.code
    assert "    micro_batch_size=None,\n" in plan.code
    assert plan.table_d1 is None
    assert plan.total_tokens == 300e9
