import pytest

import keras_gpt3
from keras_gpt3.planning import format_bytes
from keras_gpt3.preset_loader import shipped_presets


def lines(plan):
    return [" ".join(line.split()) for line in str(plan).splitlines()]


@pytest.mark.parametrize("name", shipped_presets())
def test_a_plan_fits_80_columns_and_cuts_nothing(name):
    text = str(keras_gpt3.plan(name, "80GB", devices=8))
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
    assert f"missing {format_bytes(-plan.headroom)}" in lines(plan)


def test_settings_and_memory_are_shown_part_by_part():
    plan = keras_gpt3.plan("gpt3_small_en", "24GB", devices=2)
    shown = lines(plan)
    assert "batch of a device, rows x tokens 128 x 2048" in shown
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
