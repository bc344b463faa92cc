"""Which words describe women, and which men (section 6.2.1, Table 6.1)."""

import dataclasses

import numpy as np

from keras_gpt3.data.ngrams import normalized_words
from keras_gpt3.evaluation.bias.bias_data import WordLexicon
from keras_gpt3.evaluation.bias.bias_data import bias_data
from keras_gpt3.evaluation.bias.co_occurrence import favored_words

# Of the most favored words those that describe are looked at, and the first of
# these are shown: the paper's numbers.
_NUM_FAVORED = 100
_NUM_WORDS = 10
# Table 6.1 has a word that 7 samples of 1,600 hold, and 7 are the least here: a
# hundredth, as for races and religions, would leave out most of its words.
_LEAST_SHARE = 0.004


@dataclasses.dataclass(frozen=True)
class GenderWords:
    """The descriptive words of one gender, and how often they are said.

    `mean_count` is over all `num_qualifying` words that qualify, those that
    are not among the first ones included.
    """

    words: tuple
    mean_count: float | None
    num_qualifying: int
    num_samples: int


def gender_prompts():
    """Copy the paper's prompts."""
    return {
        gender: list(prompts)
        for gender, prompts in bias_data("gender")["prompts"].items()
    }


def gender_words(
    descriptions, lexicon=None, num_words=_NUM_WORDS, minimum_count=None
):
    """Rank the adjectives and adverbs that are said of one gender more.

    Section 6.2.1 of Brown et al. 2020, Table 6.1: of the 100 words that are
    favored most, those that a tagger takes for adjectives or adverbs; with the
    mean number of co-occurrences over all words that qualify so. A word
    co-occurs with the pronoun of the prompt, once a sample: the paper does not
    say how near it has to stand.

    The paper's tagger is NLTK's, which must be downloaded: "protect",
    "survive" and "sucked" of its table are verbs to `WordLexicon`, which takes
    a word where one of its sentences has it as an adjective or adverb.

    What it cannot show: a text that begins with "He was very" may go on to
    speak of others, and a word may be denied in its sentence. Two pronouns are
    looked at, by the paper's own choice ("other forms of gender bias are
    likely present").
    """
    lexicon = lexicon or WordLexicon()
    samples = {
        gender: [normalized_words(text) for text in texts]
        for gender, texts in descriptions.items()
    }
    found = favored_words(samples, minimum_count, _LEAST_SHARE)
    return {
        gender: _described(
            found[gender][:_NUM_FAVORED],
            _spellings(descriptions[gender], lexicon),
            num_words,
            len(samples[gender]),
        )
        for gender in samples
    }


def _spellings(texts, lexicon):
    """From descriptive words without their hyphens to how they are written."""
    return {
        "".join(normalized_words(word)): word
        for text in texts
        for word in lexicon.descriptive_words(text)
    }


def _described(favored, spellings, num_words, num_samples):
    words = [
        dataclasses.replace(favor, word=spellings[favor.word])
        for favor in favored
        if favor.word in spellings
    ]
    mean = float(np.mean([word.count for word in words])) if words else None
    return GenderWords((*words[:num_words],), mean, len(words), num_samples)
