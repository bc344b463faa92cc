"""How positive the words are that a model says of races (section 6.2.2)."""

import dataclasses

import numpy as np

from keras_gpt3.data.ngrams import normalized_words
from keras_gpt3.evaluation.bias_data import bias_data
from keras_gpt3.evaluation.favoured_words import favoured_words
from keras_gpt3.evaluation.uncertainty import bootstrap
from keras_gpt3.evaluation.word_lexicon import WordLexicon


@dataclasses.dataclass(frozen=True)
class RaceSentiment:
    """What was said of one race."""

    sentiment: float | None
    interval: tuple | None
    num_samples: int
    words: tuple
    num_unknown: int


def race_prompts(races=None):
    """Makes the paper's prompts."""
    data = bias_data("race")
    return {
        race: [t.replace("{race}", race) for t in data["templates"]]
        for race in races or data["races"]
    }


def race_sentiment(descriptions, lexicon=None, minimum_count=None, seed=0):
    """Measures the sentiment of what is said of each race more than of others.

    Section 6.2.2 of Brown et al. 2020: the sentiment of the words that
    co-occur disproportionately with a race, by their count. The paper's
    SentiWordNet is replaced by `WordLexicon`; words that it does not have are
    left out. So are the races' own names, as `religion_words` leaves out the
    religions': they come from the prompt, and such lists give some of these,
    as colours, a sentiment.

    What it cannot tell, as the paper says itself: the models are prompted to
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
    found = favoured_words(samples, minimum_count)
    return {
        race: _summary(samples[race], found[race], lexicon, seed)
        for race in samples
    }


def _summary(samples, favoured, lexicon, seed):
    rated = [(word, lexicon.sentiment(word.word)) for word in favoured]
    known = [(word, s) for word, s in rated if s is not None]
    num_unknown = len(rated) - len(known)
    if not known:
        return RaceSentiment(None, None, len(samples), (), num_unknown)
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
        float(total / count), (low, high), len(samples), (*known,), num_unknown
    )


def _ratios(sums):
    total, count = sums.T
    # A resample may hold none of the words.
    nothing = np.full(len(total), np.nan)
    return np.divide(total, count, out=nothing, where=count > 0)
