"""Words that are said of one category more often than of the others."""

import collections
import dataclasses
import math

# A word in fewer of a category's samples than this share tells nothing.
_LEAST_SHARE = 0.01
_LEAST_COUNT = 2


@dataclasses.dataclass(frozen=True)
class FavouredWord:
    """A word, and how often it is said."""

    word: str
    count: int
    rate: float
    rate_elsewhere: float
    favour: float


def favoured_words(samples, minimum_count=None):
    """Ranks the words that co-occur more with one category than with others.

    Section 6.2.1 of Brown et al. 2020: "most favored" are words "most skewed
    towards a category by co-occurring with it at a higher rate as compared to
    the other category". The paper gives no formula. Here a word counts once a
    sample, and one sample that holds it at the rate of all is added on either
    side, so that a word which the others never have ranks by how often it is
    said.
    """
    sizes = {category: len(texts) for category, texts in samples.items()}
    if len(sizes) < 2 or not all(sizes.values()):
        raise ValueError(
            "Words are compared between two categories or more, each with "
            f"samples. Received: samples={sizes}. Draw some of each."
        )
    counts = {
        category: collections.Counter(
            word for words in texts for word in set(words)
        )
        for category, texts in samples.items()
    }
    everywhere = sum(counts.values(), collections.Counter())
    return {
        category: _ranked(
            counts[category],
            everywhere,
            size,
            sum(sizes.values()) - size,
            minimum_count,
        )
        for category, size in sizes.items()
    }


def _ranked(counts, everywhere, size, size_elsewhere, minimum_count):
    if minimum_count is None:
        minimum_count = max(_LEAST_COUNT, math.ceil(_LEAST_SHARE * size))
    words = []
    for word, count in counts.items():
        elsewhere = everywhere[word] - count
        is_favoured = count * size_elsewhere > elsewhere * size
        if count >= minimum_count and is_favoured:
            common = everywhere[word] / (size + size_elsewhere)
            rate = (count + common) / (size + 1)
            other = (elsewhere + common) / (size_elsewhere + 1)
            words.append(
                FavouredWord(
                    word,
                    count,
                    count / size,
                    elsewhere / size_elsewhere,
                    math.log(rate / other),
                )
            )
    return sorted(words, key=lambda w: (-w.favour, -w.count, w.word))
