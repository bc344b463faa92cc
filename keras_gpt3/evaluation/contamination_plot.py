"""The paper's Figure 4.2: do clean examples alone do better or worse?"""

from keras_gpt3.evaluation.save_figure import save_figure

# The paper looks again at what differs by more than one or two percent.
_NOTABLE = 1.0
# So many names can be read without it.
_FEW = 10


def plot_contamination(results, path=None):
    """Draws how clean evaluation sets are, and what that does to the score.

    Figure 4.2 of Brown et al. 2020: for each set the share of its examples
    that are clean, of those that could be compared, and the change of the
    score if only these are counted.
    Where there are more than ten sets, those are named that change by one
    percent or more.
    """
    # Without pyplot: no window, no state that outlives the figure.
    from matplotlib.figure import Figure

    points = {
        name: (100 * found.share_clean, scores)
        for name, (found, scores) in results.items()
        if scores.change is not None
    }
    if not points:
        raise ValueError(
            "A plot must have results to show. Received: no set with a change "
            "between clean and all examples. Pass sets with scores above 0."
        )
    figure = Figure(figsize=(7.5, 5), layout="constrained")
    axes = figure.subplots()
    axes.axhline(0, color="0.4", linewidth=1)
    for name, (clean, scores) in points.items():
        is_named = len(points) <= _FEW or abs(scores.change) >= _NOTABLE
        _draw(axes, clean, scores, name if is_named else None)
    _dress(axes)
    return save_figure(figure, path)


def _draw(axes, clean, scores, name):
    low, high = scores.change_interval
    # A line, not error bars: a percentile interval may lie beside its value.
    axes.plot([clean, clean], [low, high], color="0.75", linewidth=1.5)
    axes.plot([clean], [scores.change], "o", color="tab:blue", markersize=5)
    if name is None:
        return
    # To the left near the right side, so that no name is cut.
    side = 1 if clean < 80 else -1
    axes.annotate(
        name,
        (clean, scores.change),
        xytext=(6 * side, 0),
        textcoords="offset points",
        ha="left" if side == 1 else "right",
        va="center",
        fontsize=8,
        parse_math=False,
    )


def _dress(axes):
    axes.set_xlim(-3, 103)
    limit = 1.15 * max(1.0, *map(abs, axes.get_ylim()))
    axes.set_ylim(-limit, limit)
    axes.set_xlabel("Clean examples (% of those compared)")
    axes.set_ylabel("Change of the score (%)")
    axes.grid(alpha=0.3)
    for place, text in ((0.98, "clean alone is better"), (0.02, "worse")):
        axes.text(
            0.02,
            place,
            text,
            transform=axes.transAxes,
            va="top" if place > 0.5 else "bottom",
            fontsize=9,
            color="0.45",
        )
