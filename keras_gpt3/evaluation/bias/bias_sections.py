"""The bias probes of section 6.2 as tables, with what they cannot show."""

from keras_gpt3.evaluation.bias.bias_data import bias_data
from keras_gpt3.evaluation.bias.occupation_bias import printed_means
from keras_gpt3.evaluation.bias.winogender import ANSWERS
from keras_gpt3.evaluation.bias.winogender import GENDERS
from keras_gpt3.evaluation.metrics.uncertainty import bootstrap_interval
from keras_gpt3.evaluation.metrics.uncertainty import mean_interval
from keras_gpt3.evaluation.metrics.uncertainty import standard_error
from keras_gpt3.reporting.report import ReportSection

# Words in a cell, and occupations at each end.
_NUM_WORDS = 10

_OCCUPATIONS = (
    "The log of the probability of female over male words after a template, "
    "in the mean over occupations; below 0 it leans male (section 6.2.1). The "
    "paper's 388 occupations are not published: its values are of another "
    "list. Only two genders are probed."
)
_WINOGENDER = (
    "Whether the likelier continuation of a sentence and \"'She' refers to "
    'the" is the one whom the pronoun is of: the occupation, or another '
    "participant (section 6.2.1). Half of the 240 sentences are of either. "
    "They are Rudinger et al.'s (2018), who say that they may demonstrate the "
    "presence of gender bias, not prove its absence. Intervals are over "
    "occupations."
)
_GENDER_WORDS = (
    "The adjectives and adverbs among the 100 words that are said most after "
    "one pronoun compared with the other (section 6.2.1), with the samples "
    "that hold them. The paper's tagger is NLTK's, here it is TextBlob's; "
    "and how near to the pronoun a word must stand the paper does not say: "
    "here in the same sample. A word may be denied in its sentence, or be "
    "about others."
)
_RACES = (
    "The mean sentiment, from -100 to 100, of the words that are said of a "
    "race more than of the others (section 6.2.2), by the lexicon of "
    "{lexicon}; the paper's is SentiWordNet. The races' own names are left "
    "out. The prompts name a race, which is not how a model speaks of it by "
    "itself, and sentiment can reflect history: a text about slavery is "
    "negative."
)
_RELIGIONS = (
    "The words that are said of a religion's people more than of the others' "
    "(section 6.2.3), with the samples that hold them. The religions' own "
    "names are left out. A word may be denied in its sentence, or be about "
    "others."
)


def occupation_section(found):
    """Give the log ratios of each template, beside the paper's means."""
    printed = printed_means()
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


def winogender_section(found):
    """Give the accuracy of either pronoun, and how far they are apart."""
    columns = ("Right answer", "Pronoun", "Accuracy ± standard error (%)")
    columns += ("95% interval (%)", "Sentences", "Paper, 175B (%)")
    printed = bias_data("gender")["winogender"]
    rows = [_accuracy_row(found, None, None, printed["paper"])]
    for answer in ANSWERS:
        papers = printed["paper_occupation"] if answer == ANSWERS[0] else {}
        rows += [
            _accuracy_row(found, gender, answer, papers.get(gender))
            for gender in GENDERS
        ]
        rows.append(_difference_row(found, answer, papers))
    return ReportSection("Winogender", (_WINOGENDER,), columns, tuple(rows))


def _accuracy_row(found, gender, answer, paper):
    scores, occupations = found.selected(gender, answer)
    low, high = mean_interval(scores, occupations)
    accuracy = 100 * sum(scores) / len(scores)
    error = 100 * standard_error(scores, occupations)
    return (
        answer or "either",
        gender or "either",
        f"{accuracy:.1f} ± {error:.1f}",
        f"{100 * low:.1f} to {100 * high:.1f}",
        f"{len(scores):,}",
        "" if paper is None else f"{paper:g}",
    )


def _difference_row(found, answer, papers):
    differences = found.differences(answer)
    low, high = bootstrap_interval(differences)
    mean = 100 * sum(differences) / len(differences)
    paper = f"{papers['female'] - papers['male']:+z.1f}" if papers else ""
    return (
        answer,
        "female minus male",
        f"{mean:+z.1f} ± {100 * standard_error(differences):.1f}",
        f"{100 * low:+z.1f} to {100 * high:+z.1f}",
        f"{2 * len(differences):,}",
        paper,
    )


def gender_word_section(found):
    """Give the words of either gender, beside those of Table 6.1."""
    columns = ("Gender", "Most favored descriptive words (samples)")
    columns += ("Mean samples, all that qualify", "Words that qualify")
    columns += ("Samples", "Paper, 175B, Table 6.1", "Paper's mean")
    printed = bias_data("gender")["table_6_1"]
    rows = tuple(
        (
            gender,
            ", ".join(f"{w.word} ({w.count:,})" for w in words.words),
            "" if words.mean_count is None else f"{words.mean_count:.1f}",
            f"{words.num_qualifying:,}",
            f"{words.num_samples:,}",
            *_printed_words(printed.get(gender)),
        )
        for gender, words in found.items()
    )
    return ReportSection(
        "Descriptive words by gender", (_GENDER_WORDS,), columns, rows
    )


def _printed_words(printed):
    """A gender's part of Table 6.1; a gender that it lacks has none."""
    if printed is None:
        return ("", "")
    words = (f"{word} ({n})" for word, n in printed["words"].items())
    return (", ".join(words), f"{printed['mean_count']}")


def race_section(found):
    """Give the sentiment of what is said of each race."""
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
    (lexicon,) = {race.lexicon for race in found.values()}
    notes = (_RACES.format(lexicon=lexicon),)
    return ReportSection("Sentiment by race", notes, columns, rows)


def religion_section(found):
    """Give the words of each religion."""
    rows = tuple(
        (name, ", ".join(f"{w.word} ({w.count:,})" for w in words))
        for name, words in found.items()
    )
    columns = ("Religion", "Most favored words (samples)")
    return ReportSection("Words by religion", (_RELIGIONS,), columns, rows)
