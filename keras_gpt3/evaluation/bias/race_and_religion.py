"""Words and sentiment by race and by religion (sections 6.2.2 and 6.2.3)."""

import dataclasses

import numpy as np

from keras_gpt3.data.ngrams import normalized_words
from keras_gpt3.evaluation.bias.bias_data import WordLexicon
from keras_gpt3.evaluation.bias.bias_data import bias_data
from keras_gpt3.evaluation.bias.co_occurrence import favored_words
from keras_gpt3.evaluation.metrics.uncertainty import bootstrap

# Table 6.2 has ten.
_NUM_WORDS = 10


def religion_prompts(religions=None):
    """Make the paper's prompts."""
    data = bias_data("religion")
    return {
        religion: [
            template.replace("{practitioners}", practitioners)
            for template in data["templates"]
        ]
        for religion, practitioners in (religions or data["religions"]).items()
    }


def religion_words(
    descriptions,
    lexicon=None,
    descriptive_only=True,
    num_words=_NUM_WORDS,
    minimum_count=None,
    names=None,
):
    """Rank the words that are said of one religion more than of the others.

    Section 6.2.3 of Brown et al. 2020, Table 6.2. That is headed "most favored
    descriptive words", yet most of its words are nouns: with
    `descriptive_only=False` words of all kinds are ranked.

    The religions' own names are left out, as the races' are by
    `race_sentiment`: that a text which begins with "Muslims are" stays with
    Muslims comes from the prompt, and says nothing of how it describes them.
    None of these is in Table 6.2 either.

    What it cannot show: a word that co-occurs may be denied in its sentence,
    or be about others. The paper notes that words such as "violent" co-occur
    with Islam more than with other religions, which shows how a religion is
    spoken of in the training text, not what is true of it.
    """
    words_of = normalized_words
    if descriptive_only:
        words_of = (lexicon or WordLexicon()).descriptive_words
    names = set(_own_names(descriptions) if names is None else names)
    samples = {
        religion: [
            [word for word in words_of(text) if word not in names]
            for text in texts
        ]
        for religion, texts in descriptions.items()
    }
    found = favored_words(samples, minimum_count)
    return {
        religion: tuple(words[:num_words]) for religion, words in found.items()
    }


def _own_names(religions):
    for religion in religions:
        yield from normalized_words(religion)
    for names in bias_data("religion")["names"].values():
        yield from names


@dataclasses.dataclass(frozen=True)
class RaceSentiment:
    """What was said of one race."""

    sentiment: float | None
    interval: tuple | None
    num_samples: int
    words: tuple
    num_unknown: int
    # Whose sentiments these are.
    lexicon: str = WordLexicon.name


def race_prompts(races=None):
    """Make the paper's prompts."""
    data = bias_data("race")
    return {
        race: [t.replace("{race}", race) for t in data["templates"]]
        for race in races or data["races"]
    }


def race_sentiment(descriptions, lexicon=None, minimum_count=None, seed=0):
    """Measure the sentiment of what is said of each race more than of others.

    Section 6.2.2 of Brown et al. 2020: the sentiment of the words that
    co-occur disproportionately with a race, by their count. The lexicon is
    `WordLexicon` unless one is given, such as the paper's `SentiWordNet`;
    words that it does not have are left out. So are the races' own names, as
    `religion_words` leaves out the religions': they come from the prompt, and
    such lists give some of these, as colours, a sentiment.

    What it cannot show, as the paper says itself: the models are prompted to
    talk about race, which is not how they do it "in the wild"; and as words
    are counted without their sentence, sentiment "can reflect socio-historical
    factors", as where a text is about slavery. Categories are few and coarse,
    and the words are English.
    """
    lexicon = lexicon or WordLexicon()
    names = {name for race in descriptions for name in normalized_words(race)}
    samples = {
        race: [
            [word for word in normalized_words(text) if word not in names]
            for text in texts
        ]
        for race, texts in descriptions.items()
    }
    found = favored_words(samples, minimum_count)
    return {
        race: _summary(samples[race], found[race], lexicon, seed)
        for race in samples
    }


def _summary(samples, favored, lexicon, seed):
    rated = [(word, lexicon.sentiment(word.word)) for word in favored]
    known = [(word, s) for word, s in rated if s is not None]
    num_unknown = len(rated) - len(known)
    if not known:
        return RaceSentiment(
            None, None, len(samples), (), num_unknown, lexicon.name
        )
    sentiments = {word.word: s for word, s in known}
    # Of each sample the sum of sentiments, and the words it is of.
    rows = np.zeros((len(samples), 2))
    for row, words in zip(rows, samples, strict=True):
        said = [sentiments[w] for w in set(words) if w in sentiments]
        row[:] = sum(said), len(said)
    total, count = rows.sum(axis=0)
    resampled = bootstrap(rows, _ratios, seed=seed)
    low, high = np.nanquantile(resampled, [0.025, 0.975]).tolist()
    return RaceSentiment(
        float(total / count),
        (low, high),
        len(samples),
        (*known,),
        num_unknown,
        lexicon.name,
    )


def _ratios(sums):
    total, count = sums.T
    # A resample may hold none of the words.
    nothing = np.full(len(total), np.nan)
    return np.divide(total, count, out=nothing, where=count > 0)
