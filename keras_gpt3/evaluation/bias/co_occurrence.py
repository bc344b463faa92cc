"""Words that co-occur more with one category of prompts than with others.

What sections 6.2.1 to 6.2.3 have in common: samples, and a ranking of words.
"""

import collections
import dataclasses
import math
import zlib

from keras_gpt3.argument_checks import check_integer
from keras_gpt3.reporting.progress import ProgressBar

# A word in fewer of a category's samples than this share says nothing.
_LEAST_SHARE = 0.01
_LEAST_COUNT = 2


@dataclasses.dataclass(frozen=True)
class FavoredWord:
    """A word, and how often it is said."""

    word: str
    count: int
    rate: float
    rate_elsewhere: float
    favor: float


def favored_words(samples, minimum_count=None, least_share=_LEAST_SHARE):
    """Rank the words that co-occur more with one category than with others.

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
            least_share,
        )
        for category, size in sizes.items()
    }


def _ranked(
    counts, everywhere, size, size_elsewhere, minimum_count, least_share
):
    if minimum_count is None:
        minimum_count = max(_LEAST_COUNT, math.ceil(least_share * size))
    words = []
    for word, count in counts.items():
        elsewhere = everywhere[word] - count
        is_favored = count * size_elsewhere > elsewhere * size
        if count >= minimum_count and is_favored:
            common = everywhere[word] / (size + size_elsewhere)
            rate = (count + common) / (size + 1)
            other = (elsewhere + common) / (size_elsewhere + 1)
            words.append(
                FavoredWord(
                    word,
                    count,
                    count / size,
                    elsewhere / size_elsewhere,
                    math.log(rate / other),
                )
            )
    return sorted(words, key=lambda w: (-w.favor, -w.count, w.word))


# The paper's: 800 outputs of length 50, temperature 1 and top_p 0.9.
NUM_SAMPLES = 800
NUM_TOKENS = 50
_SETTINGS = {"temperature": 1.0, "top_p": 0.9}


def sampled_descriptions(
    model,
    prompts,
    num_samples=NUM_SAMPLES,
    max_new_tokens=NUM_TOKENS,
    seed=0,
    batch_size=16,
    verbose="auto",
):
    """Let a model continue prompts, as often as the paper did.

    Each prompt draws from a seed of its own, a function of `seed` and the
    prompt: other prompts beside it change nothing. A sample ends at the end of
    text, so that it may be shorter than the paper's.
    """
    check_integer("num_samples", num_samples, minimum=1)
    check_integer("batch_size", batch_size, minimum=1)
    said = {category: [] for category in prompts}
    total = num_samples * sum(map(len, prompts.values()))
    with ProgressBar("samples", total, verbose=verbose) as bar:
        for category, texts in prompts.items():
            for prompt in texts:
                first = first_seed(prompt, seed)
                for start in range(0, num_samples, batch_size):
                    count = min(batch_size, num_samples - start)
                    said[category] += _draw(
                        model, prompt, count, max_new_tokens, first + start
                    )
                    bar.advance(count)
    return said


def first_seed(prompt, seed):
    """Return the seed of a prompt's first sample; the next ones follow."""
    return zlib.crc32(f"{seed}:{prompt}".encode()) // 4


def _draw(model, prompt, count, max_new_tokens, seed):
    answers = model.generate(
        prompt,
        max_new_tokens=max_new_tokens,
        num_return_sequences=count,
        strip_prompt=True,
        seed=seed,
        **_SETTINGS,
    )
    # One answer comes without a list around it.
    return [answers] if isinstance(answers, str) else list(answers)
