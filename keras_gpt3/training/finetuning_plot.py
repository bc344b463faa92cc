"""The curves of a fine-tuning run as a figure: loss and learning rate."""

import numpy as np

from keras_gpt3.training.run_plot import drawn_points
from keras_gpt3.training.run_plot import smoothed

# The smoothed loss is a mean over this share of the steps.
_SMOOTHED_SHARE = 0.05


def plot_finetuning(history, path=None):
    """Draws losses and learning rate over the steps."""
    # Without pyplot: no window, no state that outlives the figure.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 6), layout="constrained")
    losses, rates = figure.subplots(2, sharex=True, height_ratios=(2, 1))
    steps = np.arange(1, len(history.loss) + 1)
    loss = np.array(history.loss, "float64")
    smooth = smoothed(loss, int(_SMOOTHED_SHARE * len(loss) / 2))
    _draw(losses, steps, loss, color="0.8")
    _draw(losses, steps, smooth, color="0.2", label="training, smoothed")
    _draw_validation(losses, history)
    losses.set_ylabel("Loss (nats per completion token)")
    # Above the panel: within it there is no place that no curve may cross.
    losses.legend(
        loc="lower left", bbox_to_anchor=(0, 1), ncols=3, frameon=False
    )
    _draw(rates, steps, np.array(history.learning_rate), color="0.2")
    rates.set_ylim(bottom=0)
    rates.set_ylabel("Learning rate")
    rates.set_xlabel("Steps")
    for axis in figure.axes:
        axis.grid(alpha=0.3)
    figure.align_ylabels(figure.axes)
    if path is not None:
        figure.savefig(path)
    return figure


def _draw_validation(axis, history):
    epochs = [e for e in history.epochs if "val_loss" in e]
    if not epochs:
        return
    axis.plot(
        [e["step"] for e in epochs],
        [e["val_loss"] for e in epochs],
        color="tab:blue",
        marker="o",
        markersize=4,
        label="validation",
    )
    best = history.epochs[history.best_epoch]
    axis.plot(
        [best["step"]],
        [best["val_loss"]],
        "o",
        color="tab:red",
        label="kept",
        zorder=3,
    )


def _draw(axis, x, y, **options):
    kept = drawn_points(y)
    axis.plot(x[kept], y[kept], **options)
