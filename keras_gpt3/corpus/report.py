"""The report of a corpus build: tables, plots and samples."""

import json

from keras_gpt3.corpus.corpus_plots import plot_cluster_sizes
from keras_gpt3.corpus.corpus_plots import plot_lengths
from keras_gpt3.corpus.corpus_plots import plot_scores
from keras_gpt3.corpus.corpus_plots import plot_stages
from keras_gpt3.evaluation.report_section import ReportSection
from keras_gpt3.evaluation.report_section import write_sections
from keras_gpt3.replaced_file import write_json
from keras_gpt3.replaced_folder import replaced_folder

REPORT_NAME = "corpus"
_OWNED = (f"{REPORT_NAME}.*", "*.png")
_SAMPLES = 3
_SAMPLE_CHARACTERS = 200


def write_corpus_report(summary, folder, alpha=9.0):
    """Writes a report into a folder, whole or not at all.

    The files are `corpus.html`, which needs no other, `corpus.md`, the plots
    and `corpus.json` with all numbers. Those of an earlier report are
    replaced.
    """
    with replaced_folder(folder, lambda path: True, _OWNED) as new:
        sections = [
            _sources(summary),
            _stages(summary["stages"], new),
            _reasons(summary["stages"]),
            *_histograms(summary["stages"], new, alpha),
            *_samples(summary["stages"]),
        ]
        write_sections("Corpus", sections, new, REPORT_NAME)
        write_json(new / f"{REPORT_NAME}.json", summary)


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


def _stages(stages, folder):
    plot_stages(stages, folder / "stages.png")
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


def _histograms(stages, folder, alpha):
    """Sections of those histograms that there are."""
    scores = _bins(stages, "filter", "score")
    if scores:
        plot_scores(scores, folder / "scores.png", alpha)
        yield ReportSection(
            "Scores of the quality classifier",
            ("The line is the chance that a document of that score is kept.",),
            plot="scores.png",
        )
    clusters = _bins(stages, "dedup", "cluster_size")
    if clusters:
        plot_cluster_sizes(clusters, folder / "clusters.png")
        yield ReportSection(
            "Clusters of near-duplicates",
            ("Of each cluster one document is kept.",),
            plot="clusters.png",
        )
    # Those of the shards are those of the stage before.
    names = [name for name in stages if name != "shard"]
    lengths = {name: _bins(stages, name, "length") for name in names}
    lengths = {name: bins for name, bins in lengths.items() if bins}
    if lengths:
        plot_lengths(lengths, folder / "lengths.png")
        yield ReportSection("Lengths of documents", plot="lengths.png")


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
