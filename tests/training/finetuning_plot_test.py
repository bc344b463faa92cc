import numpy as np
import pytest

from keras_gpt3.training.finetuning.finetune import FinetuningHistory
from keras_gpt3.training.finetuning.folder import plot_finetuning


def history(validated):
    epochs = [{"step": 3, "loss": 2.5}, {"step": 6, "loss": 1.5}]
    if validated:
        epochs = [e | {"val_loss": e["loss"] + 0.1} for e in epochs]
    loss, rate = [3.0, 2.5, 2.0, 1.8, 1.5, 1.2], [1e-3] * 6
    return FinetuningHistory(loss, rate, epochs, best_epoch=1)


@pytest.mark.parametrize("validated", [True, False])
def test_both_losses_and_the_rate_are_drawn(validated, tmp_path):
    figure = plot_finetuning(history(validated), tmp_path / "a.png")
    losses, rates = figure.axes
    lines = {line.get_label(): line for line in losses.lines}
    assert ("validation" in lines) == ("weights kept" in lines) == validated
    if validated:
        np.testing.assert_allclose(
            lines["validation"].get_xydata(), [(3, 2.6), (6, 1.6)]
        )
        assert lines["weights kept"].get_xydata().tolist() == [[6, 1.6]]
    assert losses.lines[0].get_ydata().tolist() == history(True).loss
    assert rates.lines[0].get_ydata().tolist() == [1e-3] * 6
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_a_high_loss_fills_its_panel_and_no_legend_covers_it():
    high = history(True)
    high.loss = [loss + 9 for loss in high.loss]
    for epoch in high.epochs:
        epoch["val_loss"] += 9
    figure = plot_finetuning(high)
    figure.draw_without_rendering()
    losses = figure.axes[0]
    bottom, top = losses.get_ylim()
    assert 10 < bottom < top < 12.2
    legend = losses.get_legend().get_window_extent()
    assert legend.y0 >= losses.get_window_extent().y1
