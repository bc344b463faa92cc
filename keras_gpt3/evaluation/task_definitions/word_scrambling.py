"""The paper's five word-scrambling tasks (section 3.9.2), generated."""

import functools
import itertools
import random

from keras_gpt3.argument_checks import check_choice
from keras_gpt3.argument_checks import check_integer
from keras_gpt3.argument_checks import echoed
from keras_gpt3.needed_packages import needed_packages

_MARKS = " ./!"

# The list's most frequent words are asked; demonstrations show the next.
_COUNTS = {"test": 10_000, "train": 2_000}


def _cycled(word, generator):
    start = generator.randrange(1, len(word))
    return word[start:] + word[:start]


def _shuffled(word, generator, kept):
    """Shuffle all but some letters at each end."""
    middle = list(word[kept:-kept])
    generator.shuffle(middle)
    return word[:kept] + "".join(middle) + word[-kept:]


def _with_insertions(word, generator):
    marks = generator.choices(_MARKS, k=len(word) - 1)
    return word[0] + "".join(map("".join, zip(marks, word[1:], strict=True)))


def _reversed(word, generator):
    return word[::-1]


_SCRAMBLES = {
    "cycle_letters_in_word": _cycled,
    "anagrams_1": functools.partial(_shuffled, kept=1),
    "anagrams_2": functools.partial(_shuffled, kept=2),
    "random_insertion_in_word": _with_insertions,
    "reversed_words": _reversed,
}
SCRAMBLING_TASKS = tuple(_SCRAMBLES)
_FEWEST_LETTERS = 5
# Of five letters the middle one alone could not be shuffled.
_SHORTEST = {"anagrams_2": 6}


def word_scrambling_records(
    task_name, count=None, seed=0, split="test", words=None
):
    """Generate scrambled words, in the published records' format.

    The tests' words are the 10,000 most frequent of more than 4 and fewer than
    15 letters, each once, in an order drawn by the seed. The first records do
    not depend on how many are requested. The words of the demonstrations are
    the 2,000 next: none is ever asked.

    | `task_name` | what is done to the letters |
    |---|---|
    | `"cycle_letters_in_word"` | some of the first are moved to the end |
    | `"anagrams_1"` | all but the first and last are shuffled |
    | `"anagrams_2"` | all but the first two and last two are shuffled |
    | `"random_insertion_in_word"` | one of `" ./!"` stands between each two |
    | `"reversed_words"` | their order is reversed |

    As in the published files, a scrambled word is the word itself only where
    it cannot be another, as with the `"anagrams_2"` of "yellow". Those files
    differ from the paper's text: their words have 6 to 15 letters, and 5 to 15
    in `"anagrams_1"`. Here the text is followed, but `"anagrams_2"` begins with
    6 letters, since with 5 nothing is scrambled.
    """
    check_choice("task_name", task_name, SCRAMBLING_TASKS)
    check_choice("split", split, tuple(_COUNTS))
    words = _words_of(task_name, split) if words is None else list(words)
    count = len(words) if count is None else count
    _check_words(words, count)
    # All words are shuffled, so that the first do not depend on the count.
    generator = random.Random(f"{task_name} {split} {seed}")
    generator.shuffle(words)
    return [
        _record(_scrambled(task_name, word, generator), word)
        for word in words[:count]
    ]


def _check_words(words, count):
    check_integer("count", count, minimum=1)
    if count > len(words):
        raise ValueError(
            f"count must be at most the number of words, {len(words)}. "
            f"Received: count={count}. Request fewer."
        )
    short = [word for word in words if len(word) < _FEWEST_LETTERS]
    if short:
        raise ValueError(
            f"A word must have at least {_FEWEST_LETTERS} letters. Received: "
            f"{echoed(short[0])} among words. Remove it."
        )


def _words_of(task_name, split):
    shortest = _SHORTEST.get(task_name, _FEWEST_LETTERS)
    words = frequent_words(sum(_COUNTS.values()), shortest=shortest)
    tested = _COUNTS["test"]
    return words[:tested] if split == "test" else words[tested:]


def _scrambled(task_name, word, generator):
    """Scramble a word, to another one if there is another."""
    scramble = _SCRAMBLES[task_name]
    scrambled = scramble(word, generator)
    while scrambled == word and _can_differ(task_name, word):
        scrambled = scramble(word, generator)
    return scrambled


def _can_differ(task_name, word):
    if task_name == "reversed_words":
        return False  # Nothing is drawn: it stays as it is.
    kept = {"anagrams_1": 1, "anagrams_2": 2}.get(task_name, 0)
    return len(set(word[kept : len(word) - kept])) > 1


def _record(scrambled, word):
    return {"context": f"\n{scrambled} =", "completion": f" {word}"}


def frequent_words(count=10_000, shortest=5, longest=14):
    """List the most frequent words of a range of lengths.

    The paper takes the 10,000 most frequent words of more than 4 and fewer than
    15 letters (section 3.9.2), counted by Norvig in 2009 on pages of the web.
    Here the counts are those of the package wordfreq, which joins several
    kinds of text and is kept: the words of the paper are not all among them.
    """
    check_integer("count", count, minimum=1)
    words = (
        word
        for word in _import_wordfreq().iter_wordlist("en")
        if shortest <= len(word) <= longest
        and word.isascii()
        and word.isalpha()
    )
    chosen = list(itertools.islice(words, count))
    if len(chosen) < count:
        raise ValueError(
            f"count must be at most {len(chosen)} for words of {shortest} to "
            f"{longest} letters. Received: count={count}. Request fewer."
        )
    return chosen


def _import_wordfreq():
    with needed_packages(
        "Frequent words must come from the package wordfreq", "evaluate"
    ):
        import wordfreq
    return wordfreq
