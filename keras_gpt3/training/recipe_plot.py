"""A recipe as a figure: learning rate, batch and step over the tokens."""

import keras
import numpy as np

# More than a figure of ordinary size has pixels across.
_MAX_POINTS = 2000


def recipe_plot(recipe, path=None):
    """Draws what Appendix B lets change while a model trains.

    The tokens seen run on a logarithmic scale: the warm-up is over after an
    800th of the paper's run.
    """
    # Without pyplot: no window, no state that outlives the figure.
    from matplotlib.figure import Figure

    steps = _drawn_steps(recipe.num_steps)
    before, tokens = (
        recipe.tokens_before(steps),
        recipe.tokens_before(steps + 1),
    )
    rates = keras.ops.convert_to_numpy(recipe.schedule(steps))
    panels = {
        "Learning rate": (rates, "default"),
        # Whole contexts: between two sizes there is nothing.
        "Batch in tokens": (tokens - before, "steps-pre"),
        "Updates": (steps + 1, "default"),
    }
    figure = Figure(figsize=(7, 7), layout="constrained")
    axes = figure.subplots(len(panels), sharex=True)
    for axis, (label, panel) in zip(axes, panels.items(), strict=True):
        values, drawstyle = panel
        axis.plot(tokens, values, drawstyle=drawstyle)
        axis.set_ylabel(label)
        axis.set_ylim(bottom=0)
        axis.grid(alpha=0.3)
    axes[-1].set_xscale("log")
    axes[-1].set_xlabel("Tokens seen")
    figure.align_ylabels(axes)
    if path is not None:
        figure.savefig(path)
    return figure


def _drawn_steps(num_steps):
    """Steps, first and last included, as dense at the start as at the end."""
    even = np.linspace(0, num_steps - 1, _MAX_POINTS // 2)
    early = np.geomspace(1, num_steps, _MAX_POINTS // 2) - 1
    return np.unique(np.rint([*even, *early]).astype("int64"))
