"""The report of a corpus build: tables, plots and samples."""

import json

from keras_gpt3.corpus.quality.filter_stage import keep_probability
from keras_gpt3.reporting.figures import legend_above
from keras_gpt3.reporting.figures import open_figure
from keras_gpt3.reporting.report import ReportSection
from keras_gpt3.reporting.report import write_report

REPORT_NAME = "corpus"
_SAMPLES = 3
_SAMPLE_CHARACTERS = 200


def write_corpus_report(summary, folder, alpha=9.0):
    """Write a report into a folder, whole or not at all.

    The files are `corpus.html`, `corpus.md`, the plots and `corpus.json` with
    all numbers. Those of an earlier report are replaced.
    """
    stages = summary["stages"]
    sections = [
        _sources(summary),
        _stages(stages),
        _reasons(stages),
        *_histograms(stages, alpha),
        *_samples(stages),
    ]
    write_report(folder, REPORT_NAME, "Corpus", sections, summary, ("*.png",))


# === Tables ===


def _sources(summary):
    total = sum(_tokens(source) for source in summary["sources"].values())
    rows = [
        (
            name,
            f"{_tokens(source):,}",
            _percent(_tokens(source), total),
            "" if source["weight"] is None else f"{source['weight']:.1%}",
            f"{source['shards'].get('validation', {}).get('tokens', 0):,}",
            source["licence"],
        )
        for name, source in summary["sources"].items()
    ]
    return ReportSection(
        "Sources",
        (
            "The weight is the share of a training run's tokens, whatever a "
            "source's own (Table 2.2 of Brown et al. 2020).",
        ),
        ("Source", "Tokens", "Share", "Weight", "Held out", "Licence"),
        tuple(rows),
    )


def _stages(stages):
    rows = [
        _stage_row(stage, source, counts)
        for stage, totals in stages.items()
        for source, counts in _with_all(totals)
    ]
    columns = ("Stage", "Source", "Documents in", "Out", "Dropped")
    return ReportSection(
        "Documents kept and dropped",
        (
            "A document that decontamination cuts leaves one document for "
            "each piece.",
        ),
        (*columns, "Characters in", "Out", "Kept"),
        tuple(rows),
        plot_stages(stages),
        "stages.png",
    )


def _stage_row(stage, source, counts):
    dropped = sum(counts.get("dropped", {}).values())
    characters = counts.get("characters_in", 0), counts.get("characters_out", 0)
    return (
        stage,
        source,
        f"{counts.get('documents_in', 0):,}",
        f"{counts.get('documents_out', 0):,}",
        f"{dropped:,}",
        *(f"{count:,}" for count in characters),
        _percent(characters[1], characters[0]),
    )


def _reasons(stages):
    rows = [
        (stage, source, reason, f"{number:,}")
        for stage, totals in stages.items()
        for source, counts in totals["sources"].items()
        for reason, number in counts.get("dropped", {}).items()
    ]
    if not rows:
        return ReportSection("Reasons", ("Nothing was dropped.",))
    columns = ("Stage", "Source", "Reason", "Documents")
    return ReportSection("Reasons", columns=columns, rows=tuple(rows))


def _with_all(totals):
    sources = totals["sources"]
    yield from sources.items()
    if len(sources) > 1:
        yield "all", totals["all"]


def _tokens(source):
    return source["shards"].get("train", {}).get("tokens", 0)


def _percent(part, whole):
    return f"{part / whole:.1%}" if whole else ""


# === Plots ===


def _histograms(stages, alpha):
    """Sections of those histograms that there are."""
    scores = _bins(stages, "filter", "score")
    if scores:
        yield ReportSection(
            "Scores of the quality classifier",
            (
                "The line is the probability that a document of that score is "
                "kept.",
            ),
            figure=plot_scores(scores, alpha),
            picture="scores.png",
        )
    clusters = _bins(stages, "dedup", "cluster_size")
    if clusters:
        yield ReportSection(
            "Clusters of near-duplicates",
            ("Of each cluster one document is kept.",),
            figure=plot_cluster_sizes(clusters),
            picture="clusters.png",
        )
    # Those of the shards are those of the stage before.
    names = [name for name in stages if name != "shard"]
    lengths = {name: _bins(stages, name, "length") for name in names}
    lengths = {name: bins for name, bins in lengths.items() if bins}
    if lengths:
        yield ReportSection(
            "Lengths of documents",
            figure=plot_lengths(lengths),
            picture="lengths.png",
        )


def _bins(stages, stage, name):
    """A histogram, of all parts or of the stage as a whole."""
    totals = stages.get(stage, {})
    for counts in (totals, totals.get("all", {})):
        if counts.get("histograms", {}).get(name):
            return counts["histograms"][name]
    return {}


# === Samples ===


def _samples(stages):
    """For each stage a few documents that it dropped, by reason."""
    for stage, totals in stages.items():
        rows = [
            _sample_row(reason, sample)
            for reason, samples in totals["all"].get("samples", {}).items()
            for sample in samples[:_SAMPLES]
        ]
        if rows:
            yield ReportSection(
                f"Samples of what {stage} dropped",
                columns=(
                    "Reason",
                    "Source",
                    "Document",
                    "What is known",
                    "Text",
                ),
                rows=tuple(rows),
            )


def _sample_row(reason, sample):
    detail = sample.get("detail")
    if detail is None:
        known = ""
    elif isinstance(detail, str):
        known = detail
    else:
        known = json.dumps(detail, ensure_ascii=False)
    name = sample.get("id") or sample.get("where") or ""
    return tuple(
        _line(text)
        for text in (reason, sample["source"], name, known, sample["text"])
    )


def _line(text):
    """One line of plain text, of what may hold anything."""
    text = " ".join(
        "".join(c if c.isprintable() else " " for c in text).split()
    )
    if len(text) > _SAMPLE_CHARACTERS:
        text = f"{text[:_SAMPLE_CHARACTERS]}..."
    return text


_KEPT, _DROPPED = "tab:blue", "tab:orange"


def plot_stages(stages):
    """Draw how many documents each stage kept and dropped."""
    figure, axes = _open("", "Documents")
    names = list(stages)
    kept = [stages[name]["all"].get("documents_out", 0) for name in names]
    dropped = [
        sum(stages[name]["all"].get("dropped", {}).values()) for name in names
    ]
    axes.bar(names, kept, color=_KEPT, label="kept")
    axes.bar(names, dropped, bottom=kept, color=_DROPPED, label="dropped")
    legend_above(axes)
    return figure


def plot_scores(bins, alpha=9.0):
    """Draw the scores of documents, and how likely each is kept."""
    figure, axes = _open("Score (1: like the curated texts)", "Documents")
    ends = sorted(map(float, bins))
    counts = {float(end): count for end, count in bins.items()}
    axes.bar(ends, [counts[e] for e in ends], 0.05, align="edge", color=_KEPT)
    axes.set_xlim(0, 1.05)
    probability = axes.twinx()
    scores = [i / 100 for i in range(101)]
    kept = [100 * keep_probability(score, alpha) for score in scores]
    probability.plot(scores, kept, color=_DROPPED)
    probability.set_ylim(0, 105)
    probability.set_ylabel("Probability to be kept (%)", color=_DROPPED)
    return figure


def plot_cluster_sizes(bins):
    """Draw how many clusters of near-duplicates have which size."""
    figure, axes = _open("Documents in a cluster", "Clusters")
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
    return figure


def plot_lengths(histograms):
    """Draw how long the documents are that each stage kept."""
    figure, axes = _open("Characters, at least", "Documents kept")
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
    legend_above(axes)
    return figure


def _open(x_label, y_label):
    figure, (axes,) = open_figure((7, 3.6))
    axes.set_axisbelow(True)  # Bars hide the grid.
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    return figure, axes


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
