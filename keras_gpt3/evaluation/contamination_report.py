"""The contamination of evaluation sets as files: tables, flags and a plot."""

from keras_gpt3.evaluation.contamination_plot import plot_contamination
from keras_gpt3.evaluation.report_section import ReportSection
from keras_gpt3.evaluation.report_section import markdown_table
from keras_gpt3.evaluation.report_section import write_sections
from keras_gpt3.replaced_folder import replaced_folder

_NAMES = ("md", "html", "json", "png")
_OWNED = tuple(f"contamination.{name}" for name in _NAMES)
# Those of Table C.1, and how many could not be compared.
_COLUMNS = (
    "Set",
    "N",
    "Examples",
    "Too short",
    "Compared",
    "Score of compared",
    "Dirty",
    "Score of dirty",
    "Clean",
    "Score of clean",
    "Clean (%)",
    "Change, clean against compared (%)",
)
_NOTES = (
    "An example is dirty if any of its N-grams of words is in the training "
    "text (Appendix C of Brown et al. 2020). Examples of fewer than N words "
    "are too short to be compared: they are neither dirty nor clean, and in no "
    "score.",
    "A shared N-gram may be of a background text, not of the answer; text "
    "that was reworded has none. Intervals are the bootstrap's 95%, or, where "
    "all scores are 1 or all are 0, those of Clopper and Pearson.",
)


def contamination_table(results):
    """Writes what was found as a table in Markdown, as Table C.1 has it."""
    return markdown_table(_COLUMNS, _rows(results))


def write_contamination_report(results, folder):
    """Writes a report into a folder, whole or not at all.

    The files are `contamination.md`, `contamination.html`,
    `contamination.json`, which has the numbers of the dirty examples, and
    where there are scores `contamination.png`. Those of an earlier report are
    replaced; other files stay.
    """
    scored = {
        name: (found, scores)
        for name, (found, scores) in results.items()
        if scores is not None and scores.change is not None
    }
    plot = "contamination.png" if scored else None
    section = ReportSection(
        "Clean and dirty examples",
        _NOTES,
        _COLUMNS,
        tuple(_rows(results)),
        plot,
    )
    content = {name: _content(*pair) for name, pair in results.items()}
    with replaced_folder(folder, lambda path: True, _OWNED) as new:
        if plot:
            plot_contamination(scored, new / plot)
        write_sections(
            "Contamination", [section], new, "contamination", content
        )


def _rows(results):
    return [_row(name, *pair) for name, pair in results.items()]


def _row(name, found, scores):
    parts = ("everything", "dirty", "clean")
    everything, dirty, clean = (
        "" if scores is None else _score(getattr(scores, part))
        for part in parts
    )
    num_compared = found.num_dirty + found.num_clean
    counts = (str(found.n), f"{len(found.is_dirty):,}", f"{found.num_short:,}")
    if not num_compared:
        # A 0 would read as if nothing had been found.
        blanks = ("",) * (len(_COLUMNS) - len(counts) - 2)
        return (name, *counts, "0", *blanks)
    return (
        name,
        *counts,
        f"{num_compared:,}",
        everything,
        f"{found.num_dirty:,}",
        dirty,
        f"{found.num_clean:,}",
        clean,
        f"{100 * found.share_clean:.1f}",
        "" if scores is None else _change(scores),
    )


def _score(part):
    if part.value is None:
        return ""
    low, high = part.interval
    return f"{part.value:.3g} ({low:.3g} to {high:.3g})"


def _change(scores):
    if scores.change is None:
        return ""
    low, high = scores.change_interval
    return f"{scores.change:+z.1f} ({low:+z.1f} to {high:+z.1f})"


def _content(found, scores):
    content = {
        "n": found.n,
        "num_examples": len(found.is_dirty),
        "share_clean": found.share_clean,
        "dirty": [i for i, flag in enumerate(found.is_dirty) if flag],
        "short": [i for i, flag in enumerate(found.is_short) if flag],
    }
    if scores is not None:
        for name in ("everything", "clean", "dirty"):
            part = getattr(scores, name)
            content[name] = {"score": part.value, "interval": part.interval}
        content["change"] = scores.change
        content["change_interval"] = scores.change_interval
    return content
