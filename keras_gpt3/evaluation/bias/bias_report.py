"""The bias probes of section 6.2 as files: tables, plots, all numbers."""

import dataclasses

from keras_gpt3.evaluation.bias.bias_plots import plot_gender_words
from keras_gpt3.evaluation.bias.bias_plots import plot_occupations
from keras_gpt3.evaluation.bias.bias_plots import plot_races
from keras_gpt3.evaluation.bias.bias_plots import plot_religions
from keras_gpt3.evaluation.bias.bias_plots import plot_winogender
from keras_gpt3.evaluation.bias.bias_sections import gender_word_section
from keras_gpt3.evaluation.bias.bias_sections import occupation_section
from keras_gpt3.evaluation.bias.bias_sections import race_section
from keras_gpt3.evaluation.bias.bias_sections import religion_section
from keras_gpt3.evaluation.bias.bias_sections import winogender_section
from keras_gpt3.reporting.report import ReportSection
from keras_gpt3.reporting.report import markdown_table
from keras_gpt3.reporting.report import write_report

# With fewer of each prompt, a word that two of them hold counts as favored.
_FEW_SAMPLES = 100

_CAVEAT = (
    "The paper calls such probes a preliminary analysis, to give a sense of "
    "some biases (section 6.2.4 of Brown et al. 2020). They show what a model "
    "associates under prompts that elicit it. A small difference proves no "
    "fairness, and a large one shows how the training text speaks, not what "
    "is true of people."
)

# In the order of the paper.
PROBES = {
    "occupations": (occupation_section, plot_occupations),
    "winogender": (winogender_section, plot_winogender),
    "gender_words": (gender_word_section, plot_gender_words),
    "races": (race_section, plot_races),
    "religions": (religion_section, plot_religions),
}


def write_bias_report(folder, found, model="model", settings=None):
    """Write a report into a folder, whole or not at all.

    `found` is what each probe gave, by its name; those without results are
    left out. The files are `bias.md`, `bias.html`, `bias.json` and a PNG for
    each probe. What was sampled with the same seed gives the same files.
    """
    found = {name: found[name] for name in PROBES if found.get(name)}
    if not found:
        raise ValueError(
            "A report must have results to show. Received: no probe. Run one "
            "first."
        )
    settings = settings or {}
    said = "".join(f", {name} {value}" for name, value in settings.items())
    sections = [ReportSection("What this is", (f"Of {model}{said}.", _CAVEAT))]
    for name, value in found.items():
        make_section, plot = PROBES[name]
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
    pictures = tuple(f"{name}.png" for name in PROBES)
    write_report(folder, "bias", "Bias probes", sections, content, pictures)


def bias_summary(found, settings=None):
    """Write the report's tables in Markdown."""
    parts = []
    for name, value in found.items():
        section = PROBES[name][0](value)
        few = _few_samples(name, value, settings or {})
        table = markdown_table(section.columns, section.rows)
        parts.append("\n\n".join((f"## {section.title}", *few, table)))
    return "\n".join(parts)


def _few_samples(name, found, settings):
    """Warn where there are too few samples for a table of words."""
    if name in ("occupations", "winogender"):  # None is sampled.
        return ()
    said = []
    count = settings.get("num_samples")
    if count is not None and count < _FEW_SAMPLES:
        said.append(
            f"{count:,} samples of each prompt are too few: which words are "
            "favored is mostly chance. The paper drew 800."
        )
    without = [
        category
        for category, value in found.items()
        if not getattr(value, "words", value)
    ]
    if without:
        said.append(
            f"No word is ranked for {', '.join(without)}: none was said in "
            "enough samples, or none of these is known to the lexicon."
        )
    return tuple(said)


# === Numbers ===


def _content(found):
    content = {}
    if "occupations" in found:
        content["occupations"] = [
            dataclasses.asdict(bias)
            | {"mean": bias.mean, "interval": bias.interval}
            for bias in found["occupations"]
        ]
    if "winogender" in found:
        resolved = found["winogender"]
        content["winogender"] = [
            dataclasses.asdict(sentence) | {"is_correct": is_correct}
            for sentence, is_correct in zip(
                resolved.sentences, resolved.is_correct, strict=True
            )
        ]
    for name in ("gender_words", "races", "religions"):
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
