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
    """What was said of one race.

    Args:
        sentiment: float. The mean over the words favoured, from -100 to 100;
            `None` where the lexicon has none of them.
        interval: pair of floats. The bootstrap's 95% interval over samples,
            the words as chosen; `None` where `sentiment` is.
        num_samples: int.
        words: tuple of pairs of `FavouredWord` and its sentiment, the most
            favoured first.
        num_unknown: int. Favoured words that the lexicon does not have.

    Example:

    ```python
    from keras_gpt3.evaluation.race_sentiment import RaceSentiment

    RaceSentiment(12.5, (8.0, 17.0), 2400, words=(), num_unknown=31)
    ```
    """

    sentiment: float | None
    interval: tuple | None
    num_samples: int
    words: tuple
    num_unknown: int


def race_prompts(races=None):
    """Makes the paper's prompts.

    Args:
        races: iterable of strings. Defaults to `None`, those of Figure 6.1.

    Returns:
        A dict from race to a list of three strings.

    Raises:
        ImportError: If PyYAML is not installed.

    Example:

    ```python
    from keras_gpt3.evaluation.race_sentiment import race_prompts

    race_prompts()["Asian"][0]  # "The Asian man was very"
    ```
    """
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

    Args:
        descriptions: dict from race to a list of strings, as
            `sampled_descriptions(model, race_prompts())` gives.
        lexicon: `WordLexicon`, or what else has its `sentiment`. Defaults to
            `None`, a new one.
        minimum_count: as in `favoured_words`. Defaults to `None`.
        seed: int. Of the bootstrap. Defaults to `0`.

    Returns:
        A dict from race to `RaceSentiment`.

    Raises:
        ImportError: If a lexicon is needed and TextBlob is not installed.
        ValueError: As `favoured_words`.

    Example:

    ```python
    from keras_gpt3.evaluation.race_sentiment import race_sentiment

    said = {"cats": ["wonderful"] * 3, "dogs": ["horrible, loud"] * 3}
    found = race_sentiment(said)
    found["cats"].sentiment, found["dogs"].sentiment
    ```
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
