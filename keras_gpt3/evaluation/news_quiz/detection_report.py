"""What participants made of a quiz as files: tables, a plot, all numbers."""

import dataclasses
import functools
import importlib.resources
import math

import numpy as np

from keras_gpt3.evaluation.news_quiz.detection import EXCLUSIONS
from keras_gpt3.evaluation.news_quiz.detection import detections
from keras_gpt3.evaluation.news_quiz.detection import kept_participants
from keras_gpt3.evaluation.news_quiz.detection import recognitions
from keras_gpt3.evaluation.results.results_table import model_labels
from keras_gpt3.evaluation.results.results_table import paper_sizes
from keras_gpt3.evaluation.scaling.scaling_fit import fit_law
from keras_gpt3.needed_packages import needed_packages
from keras_gpt3.reporting.figures import COLOURS
from keras_gpt3.reporting.figures import PAPER_GREY
from keras_gpt3.reporting.figures import PAPER_TEXT
from keras_gpt3.reporting.figures import legend_below
from keras_gpt3.reporting.figures import open_figure
from keras_gpt3.reporting.figures import save_figure
from keras_gpt3.reporting.report import ReportSection
from keras_gpt3.reporting.report import markdown_table
from keras_gpt3.reporting.report import write_report

_NAME, _PICTURE = "news_quiz", "news_quiz.png"
_COLUMNS = (
    "Model",
    "Participants",
    "Mean accuracy (%)",
    "95% interval",
    "t compared to control (p-value)",
    '"I don\'t know" (%)',
    "Minutes",
)
_PAPER_COLUMNS = (_COLUMNS[0], *_COLUMNS[2:6])
_NOTES = (
    "The accuracy of a participant is the share of right answers among those "
    'that are not "I don\'t know"; guessing gets 50%. The interval is that of '
    "the t-distribution over participants, the test Student's two-sided one "
    "for independent groups, with one variance (section 3.9.4 and Appendix E "
    "of Brown et al. 2020).",
    "The paper's values are of its own models, articles and participants: "
    "about 80 people a model, who were hired and came from one country.",
)


@dataclasses.dataclass(frozen=True)
class QuizScores:
    """What a quiz showed, and what was left out."""

    rows: list
    recognitions: list
    exclude: tuple
    # By name of an exclusion, whether it was made or not.
    counts: dict


def quiz_scores(key, participants, exclude=()):
    """Score a quiz, without those that `exclude` names."""
    kept = kept_participants(key, participants, exclude)
    counts = {
        "looked-up": sum(p.looked_up for p in participants),
        "seen": sum(a.seen for p in participants for a in p.answers),
    }
    if key.check is not None:
        failed = sum(not key.check.is_passed(p.check) for p in participants)
        counts = {"check": failed} | counts
    return QuizScores(
        detections(key, kept), recognitions(key, kept), tuple(exclude), counts
    )


def write_quiz_report(folder, scores):
    """Write a report into a folder, whole or not at all.

    The files are `news_quiz.md`, `news_quiz.html`, which needs no other,
    `news_quiz.json` and `news_quiz.png`.
    """
    own = dataclasses.replace(
        detection_section(scores),
        figure=plot_detection(scores.rows),
        picture=_PICTURE,
    )
    sections = [own, *_paper_sections(), *_recognition_sections(scores)]
    write_report(
        folder, _NAME, "News quiz", sections, _content(scores), (_PICTURE,)
    )


def quiz_summary(scores):
    """Write the table of the report in Markdown, and what was left out."""
    section = detection_section(scores)
    table = markdown_table(section.columns, section.rows)
    return "\n".join((table, *_left_out(scores)))


# === Sections ===


def detection_section(scores):
    """Write the models' rows as a section, in the form of Table 3.11."""
    labels = row_labels(scores.rows)
    control = scores.rows[0]
    rows = tuple(
        (
            label,
            f"{row.num_participants:,}",
            _percent(row.accuracy),
            _interval(row.interval),
            "" if row.is_control else _test(row.against(control)),
            _percent(row.neutral_share),
            _number(row.mean_minutes),
        )
        for label, row in zip(labels, scores.rows, strict=True)
    )
    paragraphs = (*_NOTES, *_left_out(scores))
    return ReportSection("Who tells them apart", paragraphs, _COLUMNS, rows)


def row_labels(rows):
    """Name each model, shortly, and the control as such."""
    names = model_labels(dict.fromkeys(row.name for row in rows))
    return [
        f"Control ({names[row.name]})" if row.is_control else names[row.name]
        for row in rows
    ]


def _left_out(scores):
    for name, count in scores.counts.items():
        did = "Left out" if name in scores.exclude else "Not left out"
        yield f"{did}: {EXCLUSIONS[name]} ({count:,})."


def _number(value):
    return "" if math.isnan(value) else f"{value:.1f}"


def _percent(share):
    return _number(100 * share)


def _interval(interval):
    low, high = map(_percent, interval)
    return f"{low} to {high}" if low else ""


def _test(found):
    if math.isnan(found.t):
        return ""
    return f"{found.t:.1f} ({found.p_value:.1g})"


def _paper_sections():
    for table in published_tables():
        rows = tuple(
            (
                row["model"],
                str(row["accuracy"]),
                "{} to {}".format(*row["interval"]),
                f"{row['t']} ({row['p']:g})" if "t" in row else "",
                str(row["neutral"]),
            )
            for row in table["rows"]
        )
        title = f"The paper: {table['title']}"
        yield ReportSection(title, (), _PAPER_COLUMNS, rows)


@functools.cache
def published_tables():
    """Read what the paper prints."""
    need = "The paper's values must be read with PyYAML"
    with needed_packages(need, "evaluate"):
        import yaml
    folder = importlib.resources.files("keras_gpt3.evaluation.news_quiz")
    return yaml.safe_load((folder / "published.yaml").read_text("utf-8"))


def _recognition_sections(scores):
    if not scores.recognitions:
        return
    labels = row_labels(scores.recognitions)
    rows = tuple(
        (
            label,
            r.title,
            _percent(r.num_right / r.num_decided),
            f"{r.num_decided:,}",
        )
        for label, r in zip(labels, scores.recognitions, strict=True)
    )
    yield ReportSection(
        "The models' articles, hardest first",
        (
            "How many of those who decided knew the article for a model's. "
            "The paper shows its hardest, 12%, and its easiest, 61% (Figures "
            "3.14 and 3.15).",
        ),
        ("Model", "Title", "Recognized (%)", "Decided"),
        rows,
    )


# === Plot ===

_CHANCE = 50
# A power law of two points is a line through both.
_FEWEST = 3


def plot_detection(rows, path=None):
    """Draw accuracy over the models' parameters, as in Figure 3.13.

    The paper's values are grey, with the power law that is fitted to them, and
    so are its control and chance, dashed. A law of one's own is fitted to
    three models or more.
    """
    figure, (axes,) = open_figure((8, 5))
    axes.axhline(_CHANCE, color="0.4", linestyle=":", label="chance")
    _draw_paper(axes)
    control, *models = rows
    colour = COLOURS[0]
    if control.accuracies:
        axes.axhline(
            100 * control.accuracy,
            color=colour,
            linestyle="--",
            label="control",
        )
    _draw_models(axes, [row for row in models if row.accuracies], colour)
    axes.set_xscale("log")
    axes.set_xlabel("Parameters")
    axes.set_ylabel("Accuracy of participants (%)")
    legend_below(figure)
    return save_figure(figure, path)


def _draw_paper(axes):
    control, *rows = published_tables()[0]["rows"]
    sizes = paper_sizes()
    at = [sizes[row["model"]] for row in rows]
    values = [row["accuracy"] for row in rows]
    low, high = zip(*(row["interval"] for row in rows), strict=True)
    axes.vlines(at, low, high, color=PAPER_GREY)
    axes.plot(
        at,
        values,
        "o",
        color=PAPER_GREY,
        markersize=4,
        label="GPT-3, Table 3.11",
    )
    _draw_law(axes, at, values, PAPER_GREY, "power law of these")
    axes.axhline(
        control["accuracy"],
        color=PAPER_TEXT,
        linestyle="--",
        linewidth=1,
        label="control of the paper",
    )


def _draw_models(axes, rows, colour):
    if not rows:
        return
    at = [row.num_parameters for row in rows]
    values = [100 * row.accuracy for row in rows]
    for row in rows:
        # Of one participant there is no interval, and nothing is drawn.
        ends = [100 * end for end in row.interval]
        axes.plot([row.num_parameters] * 2, ends, color=colour)
    axes.plot(at, values, "o", color=colour, label="measured")
    if len(set(at)) >= _FEWEST and min(values) > 0:
        _draw_law(axes, at, values, colour, "power law of the measured")


def _draw_law(axes, at, values, colour, label):
    law = fit_law(at, values)
    x = np.geomspace(min(at), max(at), 50)
    text = f"{label}: {law.coefficient:.3g} N^-{law.exponent:.3g}"
    axes.plot(x, law.loss(x), color=colour, linewidth=1, label=text)


# === Numbers ===


def _content(scores):
    control = scores.rows[0]
    return {
        "models": [
            dataclasses.asdict(row)
            | {
                "accuracy": row.accuracy,
                "interval": row.interval,
                "neutral_share": row.neutral_share,
                "test": None
                if row.is_control
                else dataclasses.asdict(row.against(control)),
            }
            for row in scores.rows
        ],
        "articles": [dataclasses.asdict(r) for r in scores.recognitions],
        "exclude": scores.exclude,
        "counts": scores.counts,
        "paper": published_tables(),
    }
