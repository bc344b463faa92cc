"""The bias probes of section 6.2 as files: tables, plots, all numbers."""

import dataclasses
import math

import numpy as np

from keras_gpt3.atomic_write import atomic_folder
from keras_gpt3.evaluation.bias.bias_data import bias_data
from keras_gpt3.evaluation.results.plot_panels import PAPER_TEXT
from keras_gpt3.evaluation.results.plot_panels import add_legend
from keras_gpt3.reporting.report_section import ReportSection
from keras_gpt3.reporting.report_section import markdown_table
from keras_gpt3.reporting.report_section import write_sections
from keras_gpt3.reporting.save_figure import save_figure

_COLUMNS = 3


def plot_occupations(found, path=None):
    """Draws the log ratio of female to male for every occupation."""
    figure, axes = _rows_figure([f'"{bias.template}"' for bias in found])
    printed = {
        template["text"]: template["paper"]
        for template in bias_data("gender")["templates"].values()
    }
    for row, bias in enumerate(found):
        is_first = row == 0
        _draw_occupations(axes, row, bias, is_first)
        if bias.template in printed:
            axes.plot(
                [printed[bias.template]],
                [row],
                "D",
                color=PAPER_TEXT,
                markersize=6,
                label="mean of the paper's 175B" if is_first else None,
            )
    axes.set_xlabel("Log of female over male probability (below 0: male)")
    add_legend(figure)
    return save_figure(figure, path)


def plot_races(found, path=None):
    """Draws the sentiment of what is said of each race, with its interval."""
    figure, axes = _rows_figure(found)
    for row, race in enumerate(found.values()):
        if race.sentiment is not None:
            axes.plot(race.interval, [row, row], color="0.6", linewidth=2)
            axes.plot([race.sentiment], [row], "o", color="tab:blue")
    axes.set_xlabel("Mean sentiment of favoured words (-100 to 100)")
    return save_figure(figure, path)


def plot_religions(found, path=None):
    """Draws how much each religion's words are favoured."""
    # Without pyplot: no window, no state that outlives the figure.
    from matplotlib.figure import Figure

    columns = min(_COLUMNS, len(found))
    rows = math.ceil(len(found) / columns)
    figure = Figure(figsize=(3.4 * columns, 3.2 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True)
    for axes, (religion, words) in zip(
        grid.flatten(), found.items(), strict=False
    ):
        places = range(len(words))
        axes.barh(places, [w.favour for w in words])
        # A model may say "$5", which is no formula.
        axes.set_yticks(places, [w.word for w in words], parse_math=False)
        axes.invert_yaxis()
        axes.set_title(religion, fontsize=11)
        axes.grid(alpha=0.3, axis="x")
        # Of the panels above others, too, where the last row is not full.
        axes.tick_params(labelbottom=True)
    for axes in grid.flatten()[len(found) :]:
        axes.remove()
    figure.supxlabel("Log ratio of the word's rate to that elsewhere")
    return save_figure(figure, path)


def _rows_figure(labels):
    """A figure with a line at 0 and a row for each label, the first on top."""
    from matplotlib.figure import Figure

    labels = list(labels)
    size = (8, 1.4 + 0.55 * len(labels))
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots()
    axes.axvline(0, color="0.4", linewidth=1)
    axes.set_yticks(range(len(labels)), labels, parse_math=False)
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.grid(alpha=0.3, axis="x")
    return figure, axes


def _draw_occupations(axes, row, bias, is_first):
    ratios = np.array(list(bias.log_ratios.values()))
    # Apart from each other by a fixed pattern, so that plots can be compared.
    places = row + 0.3 * np.linspace(-1, 1, 7)[np.arange(len(ratios)) % 7]
    axes.plot(ratios, places, ".", color="0.8", markersize=4)
    label = "mean over occupations, 95% interval" if is_first else None
    axes.plot(bias.interval, [row, row], color="tab:blue", linewidth=3)
    axes.plot([bias.mean], [row], "o", color="tab:blue", label=label)


_PLOTS = {
    "occupations": plot_occupations,
    "races": plot_races,
    "religions": plot_religions,
}
_OWNED = ("bias.md", "bias.html", "bias.json")
_OWNED += tuple(f"{name}.png" for name in _PLOTS)
# Words in a cell, and occupations at each end.
_NUM_WORDS = 10
# With fewer of each prompt, a word that two of them hold counts as favoured.
_FEW_SAMPLES = 100

_CAVEAT = (
    "The paper calls such probes a preliminary analysis, to give a sense of "
    "some biases (section 6.2.4 of Brown et al. 2020). They show what a model "
    "associates under prompts that ask for it. A small difference proves no "
    "fairness, and a large one tells how the training text speaks, not what "
    "is true of people."
)
_OCCUPATIONS = (
    "The log of the probability of female over male words behind a template, "
    "in the mean over occupations; below 0 it leans male (section 6.2.1). The "
    "paper's 388 occupations are not published: its values are of another "
    "list. Only two genders are asked for."
)
_RACES = (
    "The mean sentiment, from -100 to 100, of the words that are said of a "
    "race more than of the others (section 6.2.2), by TextBlob's lexicon and "
    "not the paper's SentiWordNet. The races' own names are left out. The "
    "prompts ask for race, which is not how a model speaks of it by itself, "
    "and sentiment can reflect history: a text about slavery is negative."
)
_RELIGIONS = (
    "The words that are said of a religion's people more than of the others' "
    "(section 6.2.3), with the samples that hold them. The religions' own "
    "names are left out. A word may be denied in its sentence, or be about "
    "others."
)


def write_bias_report(
    folder,
    occupations=None,
    races=None,
    religions=None,
    model="model",
    settings=None,
):
    """Writes a report into a folder, whole or not at all.

    The files are `bias.md`, `bias.html`, which needs no other file,
    `bias.json` and a PNG for each probe. Those of an earlier report are
    replaced; other files stay. What was sampled with the same seed gives the
    same files.
    """
    found = {"occupations": occupations, "races": races, "religions": religions}
    found = {name: value for name, value in found.items() if value}
    if not found:
        raise ValueError(
            "A report must have results to show. Received: no probe. Run one "
            "first."
        )
    settings = settings or {}
    said = "".join(f", {name} {value}" for name, value in settings.items())
    sections = [ReportSection("What this is", (f"Of {model}{said}.", _CAVEAT))]
    sections += _sections(found, settings)
    content = {"model": model, "settings": settings, **_content(found)}
    with atomic_folder(folder, lambda path: True, _OWNED) as new:
        for name, value in found.items():
            _PLOTS[name](value, new / f"{name}.png")
        write_sections("Bias probes", sections, new, "bias", content)


def bias_summary(occupations=None, races=None, religions=None, settings=None):
    """Writes the report's tables in Markdown."""
    found = {"occupations": occupations, "races": races, "religions": religions}
    found = {name: value for name, value in found.items() if value}
    parts = []
    for name, section in zip(found, _sections(found, settings), strict=True):
        few = _few_samples(name, found[name], settings or {})
        table = markdown_table(section.columns, section.rows)
        parts.append("\n\n".join((f"## {section.title}", *few, table)))
    return "\n".join(parts)


# === Sections ===


def _sections(found, settings):
    makers = {
        "occupations": _occupation_section,
        "races": _race_section,
        "religions": _religion_section,
    }
    sections = []
    for name, value in found.items():
        section = makers[name](value)
        few = _few_samples(name, value, settings or {})
        sections.append(
            dataclasses.replace(section, paragraphs=section.paragraphs + few)
        )
    return sections


def _few_samples(name, found, settings):
    """Says where there are too few samples for a table of words."""
    if name == "occupations":  # None is sampled.
        return ()
    said = []
    count = settings.get("num_samples")
    if count is not None and count < _FEW_SAMPLES:
        said.append(
            f"{count:,} samples of each prompt are too few: which words are "
            "favoured is mostly chance. The paper drew 800."
        )
    words = found
    if name == "races":
        words = {race: value.words for race, value in found.items()}
    without = [category for category in words if not words[category]]
    if without:
        said.append(
            f"No word is ranked for {', '.join(without)}: none was said in "
            "enough samples, or none of these is known to the lexicon."
        )
    return tuple(said)


def _occupation_section(found):
    gender = bias_data("gender")
    printed = {t["text"]: t["paper"] for t in gender["templates"].values()}
    columns = ("Template", "Mean ± standard error", "95% interval")
    columns += ("Lean male (%)", "Occupations", "Paper, 175B")
    columns += ("Most male", "Most female")
    rows = []
    for bias in found:
        low, high = bias.interval
        ranked = sorted(bias.log_ratios, key=bias.log_ratios.get)
        paper = printed.get(bias.template)
        rows.append(
            (
                bias.template,
                f"{bias.mean:z.2f} ± {bias.standard_error:.2f}",
                f"{low:z.2f} to {high:z.2f}",
                f"{100 * bias.share_male:.0f}",
                f"{len(ranked):,}",
                "" if paper is None else f"{paper:.2f}",
                ", ".join(ranked[: _NUM_WORDS // 2]),
                ", ".join(ranked[::-1][: _NUM_WORDS // 2]),
            )
        )
    share = f"{gender['paper_share_male']:.0%}"
    notes = (
        _OCCUPATIONS,
        f"Of the paper's occupations {share} leaned male, neutral template.",
    )
    return ReportSection(
        "Gender by occupation", notes, columns, tuple(rows), "occupations.png"
    )


def _race_section(found):
    columns = ("Race", "Sentiment", "95% interval", "Samples")
    columns += ("Words known", "Words unknown", "Most favoured, known")
    rows = tuple(
        (
            name,
            "" if race.sentiment is None else f"{race.sentiment:z.1f}",
            "" if race.interval is None else _interval(race.interval),
            f"{race.num_samples:,}",
            f"{len(race.words):,}",
            f"{race.num_unknown:,}",
            ", ".join(
                f"{word.word} ({sentiment:+z.0f})"
                for word, sentiment in race.words[:_NUM_WORDS]
            ),
        )
        for name, race in found.items()
    )
    return ReportSection(
        "Sentiment by race", (_RACES,), columns, rows, "races.png"
    )


def _religion_section(found):
    rows = tuple(
        (name, ", ".join(f"{w.word} ({w.count:,})" for w in words))
        for name, words in found.items()
    )
    columns = ("Religion", "Most favoured words (samples)")
    return ReportSection(
        "Words by religion", (_RELIGIONS,), columns, rows, "religions.png"
    )


def _interval(interval):
    low, high = interval
    return f"{low:z.1f} to {high:z.1f}"


# === Numbers ===


def _content(found):
    content = {}
    if "occupations" in found:
        content["occupations"] = [
            dataclasses.asdict(bias)
            | {"mean": bias.mean, "interval": bias.interval}
            for bias in found["occupations"]
        ]
    for name in ("races", "religions"):
        if name in found:
            content[name] = {
                category: _plain(value)
                for category, value in found[name].items()
            }
    return content


def _plain(value):
    """Dataclasses, or tuples of such, as JSON takes them."""
    if isinstance(value, tuple):
        return [dataclasses.asdict(word) for word in value]
    return dataclasses.asdict(value)
