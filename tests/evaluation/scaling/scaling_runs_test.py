import math

import pytest

from keras_gpt3.evaluation.scaling.scaling_runs import ScalingRun
from keras_gpt3.evaluation.scaling.scaling_runs import read_runs
from keras_gpt3.planning.describe import describe
from keras_gpt3.preset_loader import load_shipped_preset
from keras_gpt3.preset_loader import shipped_presets
from tests.evaluation.some_runs import record
from tests.evaluation.some_runs import write_run

PARAMETERS = describe("gpt3_small_en").num_parameters
TINY = {"num_layers": 1, "num_heads": 1, "hidden_dim": 4, "vocabulary_size": 9}
TINY |= {"intermediate_dim": 16, "max_sequence_length": 8}
# Attention 4 x (4 + 1) x 4, feed-forward 16 x 5 + 4 x 17, norms 3 x 8.
TINY_BLOCKS = 80 + 148 + 24


@pytest.mark.parametrize("name", shipped_presets())
def test_compute_is_table_d_1_s(name):
    table = load_shipped_preset(name)["table_d1"]
    count = describe(name).num_parameters
    run = ScalingRun(name, count, (300e9,), (2.0,), "validation")
    # Three digits are printed, XL's from its count before rounding.
    assert run.compute[-1] == pytest.approx(table["petaflop_s_days"], rel=0.005)


def test_a_run_is_its_validation_losses_over_tokens(tmp_path):
    records = [
        record(0, 10.8),
        record(100, 9.0, "train"),
        record(100, 8.0),
        record(200, math.nan),
        record(300, 7.0),
    ]
    (run,) = read_runs([write_run(tmp_path / "small", records)])
    expected = ScalingRun(
        "small", PARAMETERS, (100, 300), (8.0, 7.0), "validation"
    )
    assert run == expected
    assert run.compute == pytest.approx(
        [6 * PARAMETERS * t / (1e15 * 86400) for t in (100, 300)]
    )


def test_without_validation_it_is_the_mean_of_the_last_training_losses(
    tmp_path,
):
    losses = [float(i) for i in range(1, 41)]
    records = [record(10 * i, i, "train") for i in losses]
    (run,) = read_runs([write_run(tmp_path, records)])
    assert run.loss_kind == "training"
    # Of 40 losses 2 are averaged.
    assert run.losses[:3] == (1.0, 1.5, 2.5)
    assert run.losses[-1] == 39.5


def test_overrides_and_length_change_what_is_counted(tmp_path):
    overrides = {k: v for k, v in TINY.items() if k != "max_sequence_length"}
    folder = write_run(
        tmp_path, [record(1, 2.0)], overrides=overrides, length=8
    )
    (run,) = read_runs([folder])
    assert run.num_parameters == 9 * 4 + 8 * 4 + TINY_BLOCKS
    (run,) = read_runs([folder], with_embeddings=False)
    assert run.num_parameters == TINY_BLOCKS


def test_a_run_that_ended_is_counted_by_its_model(tmp_path):
    from keras_gpt3.models.backbone.gpt3_backbone import GPT3Backbone

    write_run(tmp_path, [record(1, 2.0)], preset="somewhere/gone")
    GPT3Backbone(**TINY).save_to_preset(tmp_path / "preset")
    (run,) = read_runs([tmp_path])
    assert run.num_parameters == 9 * 4 + 8 * 4 + TINY_BLOCKS


def test_a_folder_that_is_no_run_raises_one_line(tmp_path):
    with pytest.raises(ValueError) as caught:
        read_runs([tmp_path])
    assert str(caught.value) == (
        "A run must be the folder of a pretraining run. Received: "
        f"'{tmp_path}', without config.yaml. Pass folders that keras-gpt3 "
        "pretrain wrote."
    )


@pytest.mark.parametrize(
    "records", [[], [record(5, math.nan)], [record(0, 9.0)], [record(5, None)]]
)
def test_a_log_without_losses_raises_one_line(records, tmp_path):
    with pytest.raises(ValueError) as caught:
        read_runs([write_run(tmp_path, records)])
    assert str(caught.value) == (
        "A run must have a log with losses. Received: "
        f"'{tmp_path}', whose log.jsonl has none that is finite. Train it, or "
        "leave it out."
    )


@pytest.mark.parametrize(
    "line", ["[1]", '"loss"', '{"loss": "9", "tokens_seen": 5}']
)
def test_a_line_of_something_else_raises_with_its_number(line, tmp_path):
    write_run(tmp_path, [record(5, 9.0)])
    with open(tmp_path / "log.jsonl", "a") as log:
        log.write(line + "\n")
    with pytest.raises(ValueError, match="numbers. Received: line 2 of '.*log"):
        read_runs([tmp_path])
