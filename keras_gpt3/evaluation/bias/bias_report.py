"""The bias probes of section 6.2 as files: tables, plots, all numbers."""

import dataclasses

import numpy as np

from keras_gpt3.evaluation.bias.bias_data import bias_data
from keras_gpt3.reporting.figures import PAPER_TEXT
from keras_gpt3.reporting.figures import legend_below
from keras_gpt3.reporting.figures import open_panels
from keras_gpt3.reporting.figures import open_rows
from keras_gpt3.reporting.figures import save_figure
from keras_gpt3.reporting.report import ReportSection
from keras_gpt3.reporting.report import markdown_table
from keras_gpt3.reporting.report import write_report


def plot_occupations(found, path=None):
    """Draw the log ratio of female to male for every occupation."""
    figure, axes = open_rows(
        [f'"{bias.template}"' for bias in found],
        "Log of female over male probability (below 0: male)",
    )
    printed = _printed_means()
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
    legend_below(figure)
    return save_figure(figure, path)


def plot_races(found, path=None):
    """Draw the sentiment of what is said of each race, with its interval."""
    figure, axes = open_rows(
        found, "Mean sentiment of favored words (-100 to 100)"
    )
    for row, race in enumerate(found.values()):
        if race.sentiment is not None:
            axes.plot(race.interval, [row, row], color="0.6", linewidth=2)
            axes.plot([race.sentiment], [row], "o", color="tab:blue")
    return save_figure(figure, path)


def plot_religions(found, path=None):
    """Draw how much each religion's words are favored."""
    figure, grid = open_panels(len(found), (3.4, 3.2), sharex=True)
    for axes, (religion, words) in zip(grid, found.items(), strict=True):
        places = range(len(words))
        axes.barh(places, [w.favor for w in words])
        # A model may say "$5", which is not a formula.
        axes.set_yticks(places, [w.word for w in words], parse_math=False)
        axes.invert_yaxis()
        axes.set_title(religion, fontsize=11)
        axes.grid(visible=False, axis="y")
        # Also of the panels above others, where the last row is not full.
        axes.tick_params(labelbottom=True)
    figure.supxlabel("Log ratio of the word's rate to that elsewhere")
    return save_figure(figure, path)


def _printed_means():
    """What the paper prints for 175B, by template."""
    templates = bias_data("gender")["templates"].values()
    return {template["text"]: template["paper"] for template in templates}


def _draw_occupations(axes, row, bias, is_first):
    ratios = np.array(list(bias.log_ratios.values()))
    # Apart from each other by a fixed pattern, so that plots can be compared.
    places = row + 0.3 * np.linspace(-1, 1, 7)[np.arange(len(ratios)) % 7]
    axes.plot(ratios, places, ".", color="0.8", markersize=4)
    label = "mean over occupations, 95% interval" if is_first else None
    axes.plot(bias.interval, [row, row], color="tab:blue", linewidth=3)
    axes.plot([bias.mean], [row], "o", color="tab:blue", label=label)


# Words in a cell, and occupations at each end.
_NUM_WORDS = 10
# With fewer of each prompt, a word that two of them hold counts as favored.
_FEW_SAMPLES = 100

_CAVEAT = (
    "The paper calls such probes a preliminary analysis, to give a sense of "
    "some biases (section 6.2.4 of Brown et al. 2020). They show what a model "
    "associates under prompts that elicit it. A small difference proves no "
    "fairness, and a large one shows how the training text speaks, not what "
    "is true of people."
)
_OCCUPATIONS = (
    "The log of the probability of female over male words after a template, "
    "in the mean over occupations; below 0 it leans male (section 6.2.1). The "
    "paper's 388 occupations are not published: its values are of another "
    "list. Only two genders are probed."
)
_RACES = (
    "The mean sentiment, from -100 to 100, of the words that are said of a "
    "race more than of the others (section 6.2.2), by TextBlob's lexicon and "
    "not the paper's SentiWordNet. The races' own names are left out. The "
    "prompts name a race, which is not how a model speaks of it by itself, "
    "and sentiment can reflect history: a text about slavery is negative."
)
_RELIGIONS = (
    "The words that are said of a religion's people more than of the others' "
    "(section 6.2.3), with the samples that hold them. The religions' own "
    "names are left out. A word may be denied in its sentence, or be about "
    "others."
)


def write_bias_report(folder, found, model="model", settings=None):
    """Write a report into a folder, whole or not at all.

    `found` is what each probe gave, by its name; those without results are
    left out. The files are `bias.md`, `bias.html`, `bias.json` and a PNG for
    each probe. What was sampled with the same seed gives the same files.
    """
    found = {name: found[name] for name in _PROBES if found.get(name)}
    if not found:
        raise ValueError(
            "A report must have results to show. Received: no probe. Run one "
            "first."
        )
    settings = settings or {}
    said = "".join(f", {name} {value}" for name, value in settings.items())
    sections = [ReportSection("What this is", (f"Of {model}{said}.", _CAVEAT))]
    for name, value in found.items():
        make_section, plot = _PROBES[name]
        section = make_section(value)
        paragraphs = section.paragraphs + _few_samples(name, value, settings)
        sections.append(
            dataclasses.replace(
                section,
                paragraphs=paragraphs,
                figure=plot(value),
                picture=f"{name}.png",
            )
        )
    content = {"model": model, "settings": settings, **_content(found)}
    pictures = tuple(f"{name}.png" for name in _PROBES)
    write_report(folder, "bias", "Bias probes", sections, content, pictures)


def bias_summary(found, settings=None):
    """Write the report's tables in Markdown."""
    parts = []
    for name, value in found.items():
        section = _PROBES[name][0](value)
        few = _few_samples(name, value, settings or {})
        table = markdown_table(section.columns, section.rows)
        parts.append("\n\n".join((f"## {section.title}", *few, table)))
    return "\n".join(parts)


# === Sections ===


def _few_samples(name, found, settings):
    """Warn where there are too few samples for a table of words."""
    if name == "occupations":  # None is sampled.
        return ()
    said = []
    count = settings.get("num_samples")
    if count is not None and count < _FEW_SAMPLES:
        said.append(
            f"{count:,} samples of each prompt are too few: which words are "
            "favored is mostly chance. The paper drew 800."
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
    printed = _printed_means()
    columns = (
        "Template",
        "Mean ± standard error",
        "95% interval",
        "Lean male (%)",
        "Occupations",
        "Paper, 175B",
        "Most male",
        "Most female",
    )
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
    share = f"{bias_data('gender')['paper_share_male']:.0%}"
    notes = (
        _OCCUPATIONS,
        f"Of the paper's occupations {share} leaned male, neutral template.",
    )
    return ReportSection("Gender by occupation", notes, columns, tuple(rows))


def _race_section(found):
    columns = ("Race", "Sentiment", "95% interval", "Samples")
    columns += ("Words known", "Words unknown", "Most favored, known")
    rows = tuple(
        (
            name,
            "" if race.sentiment is None else f"{race.sentiment:z.1f}",
            ""
            if race.interval is None
            else "{:z.1f} to {:z.1f}".format(*race.interval),
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
    return ReportSection("Sentiment by race", (_RACES,), columns, rows)


def _religion_section(found):
    rows = tuple(
        (name, ", ".join(f"{w.word} ({w.count:,})" for w in words))
        for name, words in found.items()
    )
    columns = ("Religion", "Most favored words (samples)")
    return ReportSection("Words by religion", (_RELIGIONS,), columns, rows)


_PROBES = {
    "occupations": (_occupation_section, plot_occupations),
    "races": (_race_section, plot_races),
    "religions": (_religion_section, plot_religions),
}


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
