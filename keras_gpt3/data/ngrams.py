"""Words as the paper compares texts by: lower-cased, without punctuation."""

import functools
import re
import string
import sys
import unicodedata

_CHUNK = re.compile(r"\S+")


def normalized_words(text):
    """Split a text into the words that are compared.

    Appendix C of Brown et al. 2020: "a gram as a lowercase, whitespace
    delimited word with no punctuation". Punctuation is what Unicode calls so,
    and all of ASCII's; a word of nothing else is no word.
    """
    return text.translate(_deleted_characters()).lower().split()


def word_spans(text):
    """Find where the words of a text stand in it."""
    deleted = _deleted_characters()
    return [
        match.span()
        for match in _CHUNK.finditer(text)
        if match.group().translate(deleted)
    ]


def ngrams(words, n):
    """List all runs of `n` words, in order."""
    return list(zip(*(words[i:] for i in range(n)), strict=False))


@functools.cache
def _deleted_characters():
    """A table for `str.translate`."""
    return {
        code: None
        for code in range(sys.maxunicode + 1)
        if unicodedata.category(chr(code)).startswith("P")
        or chr(code) in string.punctuation
    }
