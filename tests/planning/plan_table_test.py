import pytest

import keras_gpt3
from keras_gpt3.planning import format_bytes
from keras_gpt3.preset_loader import shipped_presets
from tests.planning.toy_config import TOY


def lines(plan):
    return [" ".join(line.split()) for line in str(plan).splitlines()]


@pytest.mark.parametrize("name", shipped_presets())
@pytest.mark.parametrize("devices", [1, 8, 1024])
def test_a_plan_fits_80_columns_and_cuts_nothing(name, devices):
    text = str(keras_gpt3.plan(name, "80GB", devices=devices))
    assert max(len(line) for line in text.splitlines()) <= 80
    assert "…" not in text


def test_the_verdict_comes_first_and_the_code_last():
    plan = keras_gpt3.plan("gpt3_small_en", "24GB", devices=2)
    shown = str(plan).splitlines()
    assert shown[0] == "gpt3_small_en fits"
    assert " ".join(shown).startswith(f"gpt3_small_en fits {plan.reason[:60]}")
    assert str(plan).endswith(plan.code)
    assert repr(plan) == str(plan)


def test_a_plan_that_fails_offers_no_code():
    plan = keras_gpt3.plan("gpt3_175b_en", "24GB")
    assert str(plan).startswith("gpt3_175b_en does not fit\n")
    assert "model.compile" not in str(plan)
    assert "days" not in str(plan)
    assert f"missing {format_bytes(-plan.headroom)}" in lines(plan)


def test_settings_and_memory_are_shown_part_by_part():
    plan = keras_gpt3.plan("gpt3_small_en", "24GB", devices=2)
    shown = lines(plan)
    assert "mesh, data x model x stages 2 x 1 x 1" in shown
    assert "backend tensorflow" in shown
    assert "batch of a replica, rows x tokens 128 x 2048" in shown
    assert "batch, tokens 524,288" in shown
    assert f"micro_batch_size {plan.micro_batch_size}" in shown
    for part in ("weights", "gradients", "workspace"):
        assert f"{part} {format_bytes(plan.memory[part])}" in shown
    dense = format_bytes(plan.memory["dense_activations"])
    assert f"dense activations {dense}" in shown
    assert f"most at a time {format_bytes(plan.memory['total'])}" in shown
    assert f"free {format_bytes(plan.headroom)}" in shown
    cache = format_bytes(plan.cache)
    assert f"to generate: cache of a sequence {cache}" in shown


def test_recomputation_is_shown_as_a_share():
    # A row so long that it fits only if some blocks are computed again.
    options = {"length": 16384, "batch_tokens": 16384, "dtype": "float32"}
    roomy = keras_gpt3.plan("gpt3_small_en", "900GB", **options)
    memory = int(roomy.memory["total"] / 0.9) - 10**6
    plan = keras_gpt3.plan("gpt3_small_en", memory, **options)
    assert plan.fits and plan.recomputation > 0
    row = f"computed again, of a step's FLOPs {plan.recomputation:.1%}"
    assert row in lines(plan)
    assert f"rematerialization {plan.rematerialization}" in lines(plan)


def test_a_model_axis_is_shown_with_what_it_sends():
    plan = keras_gpt3.plan("gpt3_13b_en", "40GB", devices=8, mesh=(2, 4, 1))
    shown = lines(plan)
    assert "mesh, data x model x stages 2 x 4 x 1" in shown
    assert "backend jax" in shown
    assert f"shard_weights {plan.shard_weights}" in shown
    sent = format_bytes(plan.communication["activations"])
    assert f"activations, over the model axis {sent}" in shown
    assert "within a machine, assumed 300.0 GB/s" in shown
    assert "between machines, assumed 25.0 GB/s" in shown
    assert not any("bubble" in line or "stage to" in line for line in shown)


def test_a_pipeline_is_shown_with_its_bubble():
    plan = keras_gpt3.plan("gpt3_2.7b_en", "40GB", devices=8, mesh=(1, 1, 8))
    assert plan.fits
    shown = lines(plan)
    assert f"bubble, of a step {plan.bubble:.1%}" in shown
    sent = format_bytes(plan.communication["stages"])
    assert f"activations, from stage to stage {sent}" in shown


def test_the_time_of_a_run_stands_beside_table_d1():
    plan = keras_gpt3.plan(
        "gpt3_175b_en", "80GB", devices=1024, sustained_flops=140e12
    )
    shown = lines(plan)
    assert "FLOP/s of a device, assumed 140e12" in shown
    assert "tokens 300B" in shown
    assert f"days {plan.days:.1f}" in shown
    assert "petaflop/s-days, with attention 3,667.82" in shown
    assert "petaflop/s-days of Table D.1, without it 3,640" in shown


def test_a_config_has_no_column_in_table_d1():
    plan = keras_gpt3.plan(TOY, "4GB", batch_tokens=64)
    assert not any("D.1" in line for line in lines(plan))
    assert not any("sends" in line for line in lines(plan))
