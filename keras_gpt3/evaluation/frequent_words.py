"""The most frequent English words of some lengths."""

import itertools

from keras_gpt3.integer_argument import check_integer
from keras_gpt3.needed_packages import needed_packages


def frequent_words(count=10_000, shortest=5, longest=14):
    """Lists the most frequent words of a range of lengths.

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
            f"{longest} letters. Received: count={count}. Ask for fewer."
        )
    return chosen


def _import_wordfreq():
    with needed_packages(
        "Frequent words must come from the package wordfreq", "evaluate"
    ):
        import wordfreq
    return wordfreq
