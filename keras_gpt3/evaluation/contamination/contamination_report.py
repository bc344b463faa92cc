"""The contamination of evaluation sets as files: tables, flags and a plot."""

import dataclasses

from keras_gpt3.reporting.figures import PAPER_GREY
from keras_gpt3.reporting.figures import PAPER_TEXT
from keras_gpt3.reporting.figures import legend_below
from keras_gpt3.reporting.figures import open_figure
from keras_gpt3.reporting.figures import save_figure
from keras_gpt3.reporting.report import ReportSection
from keras_gpt3.reporting.report import markdown_table
from keras_gpt3.reporting.report import write_report

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
_PICTURE = "contamination.png"
_NOTES = (
    "An example is dirty if any of its N-grams of words is in the training "
    "text (Appendix C of Brown et al. 2020). Examples of fewer than N words "
    "are too short to be compared: they are neither dirty nor clean, and in no "
    "score.",
    "A shared N-gram may be of a background text, not of the answer; text "
    "that was reworded has none. Intervals are the bootstrap's 95%, or, where "
    "all scores are 1 or all are 0, those of Clopper and Pearson.",
)
_PAPER_NOTE = (
    "Below a task of the paper stands its row of Table C.1: GPT-3 and its own "
    "training text, with K demonstrations of another seed than in Table H.1. "
    "What was too short it does not say. Its change is as printed: it is of "
    "the mean of both scores, here it is of the score of all compared."
)


def contamination_table(results, published=None):
    """Write what was found as a table in Markdown, as Table C.1 has it.

    `published` is what `published_contamination` found: rows of that table,
    each of which stands below the set of its name.
    """
    return markdown_table(_COLUMNS, _rows(results, published or {}))


def write_contamination_report(results, folder, published=None):
    """Write a report into a folder, whole or not at all.

    The files are `contamination.md`, `contamination.html`,
    `contamination.json`, which has the numbers of the dirty examples, and
    where there are scores `contamination.png`. Those of an earlier report are
    replaced; other files stay. `published` is that of `contamination_table`.
    """
    published = published or {}
    scored = {
        name: (found, scores)
        for name, (found, scores) in results.items()
        if scores is not None and scores.change is not None
    }
    section = ReportSection(
        "Clean and dirty examples",
        (*_NOTES, _PAPER_NOTE) if published else _NOTES,
        _COLUMNS,
        tuple(_rows(results, published)),
        plot_contamination(scored, published=published) if scored else None,
        _PICTURE if scored else None,
    )
    write_report(
        folder,
        "contamination",
        "Contamination",
        [section],
        {
            name: _content(*pair, published.get(name))
            for name, pair in results.items()
        },
        pictures=(_PICTURE,),
    )


def _rows(results, published):
    rows = []
    for name, pair in results.items():
        rows.append(_row(name, *pair))
        if name in published:
            rows.append(_published_row(published[name]))
    return rows


def _published_row(row):
    """The cells of a row of Table C.1, in the unit of outcomes."""
    count = f"{row.num_examples:,}"
    dirty = "" if row.dirty_score is None else f"{row.dirty_score:.3g}"
    return (
        f"{row.name} ({row.split}, {row.metric}) in Table C.1",
        *(str(row.n), count, "", count, f"{row.score:.3g}"),
        *(f"{row.num_dirty:,}", dirty),
        *(f"{row.num_clean:,}", f"{row.clean_score:.3g}"),
        *(f"{row.percent_clean}", f"{row.change:+d}"),
    )


def _row(name, found, scores):
    num_compared = found.num_dirty + found.num_clean
    counts = (len(found.is_dirty), found.num_short, num_compared)
    cells = (name, str(found.n), *(f"{count:,}" for count in counts))
    if not num_compared:
        # A 0 would read as if nothing had been found.
        return (*cells, *[""] * (len(_COLUMNS) - len(cells)))
    everything = dirty = clean = change = ""
    if scores is not None:
        parts = (scores.everything, scores.dirty, scores.clean)
        everything, dirty, clean = map(_score, parts)
        change = _change(scores)
    return (
        *(*cells, everything),
        *(f"{found.num_dirty:,}", dirty, f"{found.num_clean:,}", clean),
        *(f"{100 * found.share_clean:.1f}", change),
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


def _content(found, scores, published):
    content = {
        "n": found.n,
        "num_examples": len(found.is_dirty),
        "share_clean": found.share_clean,
        "dirty_examples": [i for i, flag in enumerate(found.is_dirty) if flag],
        "short_examples": [i for i, flag in enumerate(found.is_short) if flag],
    }
    if scores is not None:
        for name in ("everything", "clean", "dirty"):
            part = getattr(scores, name)
            content[name] = {"score": part.value, "interval": part.interval}
        content["change"] = scores.change
        content["change_interval"] = scores.change_interval
    if published is not None:
        content["table_c1"] = dataclasses.asdict(published)
    return content


# The paper looks again at what differs by more than one or two percent.
_NOTABLE = 1.0
# So many names can be read without it.
_FEW = 10


def plot_contamination(results, path=None, published=None):
    """Draw how clean evaluation sets are, and what that does to the score.

    Figure 4.2 of Brown et al. 2020: for each set the share of its examples
    that are clean, of those that could be compared, and the change of the
    score if only these are counted. Where there are more than ten sets, those
    are named that change by one percent or more. Those of the paper that
    `published` has are drawn in grey.
    """
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
    figure, (axes,) = open_figure((7.5, 5))
    axes.axhline(0, color="0.4", linewidth=1)
    draw_published(axes, (published or {}).values())
    for name, (clean, scores) in points.items():
        is_named = len(points) <= _FEW or abs(scores.change) >= _NOTABLE
        _draw(axes, clean, scores, name if is_named else None)
    _dress(axes)
    legend_below(figure)
    return save_figure(figure, path)


def draw_published(axes, rows):
    """Draw rows of Table C.1 as the points of Figure 4.2."""
    rows = list(rows)
    if not rows:
        return
    axes.plot(
        [row.percent_clean for row in rows],
        [row.change for row in rows],
        "o",
        color=PAPER_GREY,
        markersize=5,
        label="GPT-3 of the paper, Table C.1",
    )


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
    axes.set_ylabel("Relative change of the score (%)")
    for place, text in ((0.98, "clean alone is better"), (0.02, "worse")):
        axes.text(
            0.02,
            place,
            text,
            transform=axes.transAxes,
            va="top" if place > 0.5 else "bottom",
            fontsize=9,
            color=PAPER_TEXT,
        )
