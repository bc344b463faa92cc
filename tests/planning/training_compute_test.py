import pytest

from keras_gpt3.planning.training_compute import OTHER_MODELS
from keras_gpt3.planning.training_compute import plot_training_compute
from keras_gpt3.preset_loader import load_shipped_preset
from keras_gpt3.preset_loader import shipped_presets

# Figure 2.2's, before GPT-3's.
NAMES = [
    *("BERT-Base", "BERT-Large", "RoBERTa-Base", "RoBERTa-Large"),
    *("T5-Small", "T5-Base", "T5-Large", "T5-3B", "T5-11B"),
]


def test_the_other_models_are_those_of_the_figure():
    assert [model.name for model in OTHER_MODELS] == NAMES


@pytest.mark.parametrize("model", OTHER_MODELS, ids=NAMES)
def test_the_columns_of_a_row_agree_as_the_caption_of_table_d1_says(model):
    parameters = model.parameters_millions * 1e6
    tokens = model.tokens_billions * 1e9
    flops = model.flops_per_parameter * parameters * tokens
    # Printed in three digits; a petaflop/s-day is 8.64e19 FLOPs.
    assert model.flops == pytest.approx(flops, rel=5e-3)
    assert model.petaflop_days == pytest.approx(flops / 8.64e19, rel=5e-3)


def test_roberta_large_took_roughly_what_gpt3_2_7b_did():
    # The caption of Figure 2.2: both roughly 50 petaflop/s-days.
    others = {model.name: model.petaflop_days for model in OTHER_MODELS}
    own = load_shipped_preset("gpt3_2.7b_en")["table_d1"]["petaflop_s_days"]
    assert others["RoBERTa-Large"] == pytest.approx(50, rel=0.02)
    assert own == pytest.approx(50, rel=0.15)


def test_bars_are_the_table_s_and_what_presets_give(tmp_path):
    figure = plot_training_compute(tmp_path / "compute.png")
    (axes,) = figure.axes
    names = [label.get_text() for label in axes.get_xticklabels()]
    assert names == [*NAMES, *shipped_presets()]
    heights = [bar.get_height() for bar in axes.patches]
    assert heights[: len(NAMES)] == [m.petaflop_days for m in OTHER_MODELS]
    (printed,) = axes.lines
    # As near as the parameters of the table are to those counted.
    assert heights[len(NAMES) :] == pytest.approx(
        printed.get_ydata().tolist(), rel=5e-3
    )
    assert axes.get_yscale() == "log"
    assert (tmp_path / "compute.png").stat().st_size > 0
