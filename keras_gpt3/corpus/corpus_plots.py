"""The plots of a corpus report."""

from keras_gpt3.corpus.pareto_rule import keep_probability

_KEPT, _DROPPED = "tab:blue", "tab:orange"


def plot_stages(stages, path):
    """Draws how many documents each stage kept and dropped."""
    figure, axes = _figure()
    names = list(stages)
    kept = [stages[name]["all"].get("documents_out", 0) for name in names]
    dropped = [
        sum(stages[name]["all"].get("dropped", {}).values()) for name in names
    ]
    axes.bar(names, kept, color=_KEPT, label="kept")
    axes.bar(names, dropped, bottom=kept, color=_DROPPED, label="dropped")
    axes.set_ylabel("Documents")
    _add_legend(axes)
    figure.savefig(path)


def plot_scores(bins, path, alpha=9.0):
    """Draws the scores of documents, and how likely each is kept."""
    figure, axes = _figure()
    ends = sorted(map(float, bins))
    counts = {float(end): count for end, count in bins.items()}
    axes.bar(ends, [counts[e] for e in ends], 0.05, align="edge", color=_KEPT)
    axes.set_xlim(0, 1.05)
    axes.set_xlabel("Score (1 is like the good texts)")
    axes.set_ylabel("Documents")
    chance = axes.twinx()
    scores = [i / 100 for i in range(101)]
    kept = [100 * keep_probability(score, alpha) for score in scores]
    chance.plot(scores, kept, color=_DROPPED)
    chance.set_ylim(0, 105)
    chance.set_ylabel("Chance to be kept (%)", color=_DROPPED)
    figure.savefig(path)


def plot_cluster_sizes(bins, path):
    """Draws how many clusters of near-duplicates have which size."""
    figure, axes = _figure()
    ends = _powers(map(int, bins))
    axes.bar(
        [_range(end) for end in ends],
        [bins.get(str(end), 0) for end in ends],
        color=_KEPT,
        width=0.6,
    )
    # A single bin is not as wide as the plot; a single cluster is seen.
    axes.set_xlim(-0.7, max(len(ends), 4) - 0.3)
    axes.set_yscale("log")
    axes.set_ylim(bottom=0.5)
    axes.set_xlabel("Documents in a cluster")
    axes.set_ylabel("Clusters")
    figure.savefig(path)


def plot_lengths(histograms, path):
    """Draws how long the documents are that each stage kept."""
    figure, axes = _figure()
    ends = _powers(int(end) for bins in histograms.values() for end in bins)
    # The last bin has an end.
    ends.append(max(2 * ends[-1], 1))
    for index, (name, bins) in enumerate(histograms.items()):
        # 0 has no place on the axis.
        places = [max(end, 0.5) for end in ends]
        counts = [bins.get(str(end), 0) for end in ends]
        # A stage that drops little draws over the one before, which shows on
        # both sides of its thinner line.
        width = 1.2 + 1.3 * (len(histograms) - 1 - index)
        axes.step(places, counts, where="post", label=name, linewidth=width)
    axes.set_xscale("log", base=2)
    axes.set_xlabel("Characters, at least")
    axes.set_ylabel("Documents kept")
    axes.grid(alpha=0.3)
    _add_legend(axes)
    figure.savefig(path)


def _add_legend(axes):
    # Above the panel: a bar or a curve may stand anywhere in it.
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(0, 1),
        ncols=5,
        frameon=False,
        handlelength=1.5,
    )


def _figure():
    # Without pyplot: no window, no state that outlives the figure.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3.6), layout="constrained")
    return figure, figure.subplots()


def _powers(ends):
    """The given bins and the empty ones between: 0 and powers of 2."""
    known = set(ends)
    exponents = [end.bit_length() - 1 for end in known if end]
    powers = []
    if exponents:
        powers = [2**i for i in range(min(exponents), max(exponents) + 1)]
    return [0] * (0 in known) + powers


def _range(end):
    """A bin in words: 4 begins that of 4 to 7."""
    return str(end) if end <= 1 else f"{end} to {2 * end - 1}"
