"""Records made once more from what stands in them.

A published record that the package's own functions make again is of the format
that they write.
"""

import re

from keras_gpt3.evaluation.task_definitions import arithmetic
from keras_gpt3.evaluation.task_definitions import word_scrambling

# Forms of a problem, and which two of three numbers stand in brackets.
_PROBLEMS = (
    (r"(\d+) (plus|minus|times) (\d+)", "first"),
    (r"\((\d+) ([-+*]) (\d+)\) ([-+*]) (\d+)", "first"),
    (r"(\d+) ([-+*]) \((\d+) ([-+*]) (\d+)\)", "last"),
)


def rebuilt_problem(record):
    """Makes a record of arithmetic from its numbers and signs.

    Args:
        record: dict of `"context"` and `"completion"`.

    Returns:
        The dict that `arithmetic_records` has for this problem, or `None` if
        it is no problem of arithmetic.
    """
    question = record["context"].removeprefix("\n\nQ: What is ")
    question = question.removesuffix("?\n\nA:")
    for pattern, bracket in _PROBLEMS:
        match = re.fullmatch(pattern, question)
        if match:
            parts = match.groups()
            numbers = [int(part) for part in parts if part.isdigit()]
            signs = [part for part in parts if not part.isdigit()]
            return arithmetic._record(numbers, signs, bracket)
    return None


def rebuilt_word(task_name, record):
    """Makes a record of a scrambled word from the two words in it.

    What was drawn is read off the scrambled word, and done to the word again.

    Args:
        task_name: string. One of `SCRAMBLING_TASKS`.
        record: dict of `"context"` and `"completion"`.

    Returns:
        The dict that `word_scrambling_records` could have for this word, or
        `None` if the task does not scramble it so.
    """
    scrambled = record["context"].removeprefix("\n").removesuffix(" =")
    word = record["completion"].removeprefix(" ")
    again = _scrambled_alike(task_name, scrambled, word)
    if again != scrambled:
        return None
    if again == word and word_scrambling._can_differ(task_name, word):
        return None
    return word_scrambling._record(again, word)


def _scrambled_alike(task_name, scrambled, word):
    """Does to a word what was done to another, or gives `None`."""
    if task_name == "cycle_letters_in_word":
        # Where it stands in the word written twice tells how far it is cycled.
        start = (word + word).find(scrambled, 1)
        return None if start < 0 else word[start:] + word[:start]
    if task_name == "random_insertion_in_word":
        marks = scrambled[1::2]
        known = set(marks) <= set(" ./!") and len(marks) == len(word) - 1
        pairs = zip(word[1:], marks, strict=True) if known else ()
        return word[0] + "".join(m + c for c, m in pairs) if known else None
    if task_name == "reversed_words":
        return word[::-1]
    kept = 1 if task_name == "anagrams_1" else 2
    middle = scrambled[kept:-kept]
    if sorted(middle) != sorted(word[kept:-kept]):
        return None
    return word[:kept] + middle + word[-kept:]
