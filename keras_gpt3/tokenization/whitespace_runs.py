"""Cuts around runs of whitespace that are too long for tiktoken's matcher."""

import re

# Past a million whitespace characters in a row the matcher's backtracking
# stack overflows and takes the process down; we cut well before.
LONG_RUN = 2**19

# Whitespace as Unicode has it. Python's own `\s` also holds U+001C to U+001F.
_WHITESPACE = re.compile(
    "[\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]*"
)


def cut_long_whitespace(text, special_tokens=(), long_run=LONG_RUN):
    """Cuts a text so that no part holds a long whitespace run and what follows.

    GPT-2's splitting takes a run of whitespace up to its last character, and
    that one with what follows, so encoding the parts one by one gives the ids
    of the whole.
    """
    parts = []
    start = 0
    for end in _ends_of_long_runs(text, max(long_run // 2, 1)):
        if end < len(text) and not text.startswith(special_tokens, end):
            parts.append(text[start : end - 1])
            start = end - 1
    return [*parts, text[start:]]


def _ends_of_long_runs(text, stride):
    """Yields ends of runs, every one of length 2 * stride among them.

    Looks at one character a stride: a run of two strides has a whole stride
    to the right of one of them.
    """
    end = 0
    for position in range(0, len(text), stride):
        if position >= end:
            end = _WHITESPACE.match(text, position).end()
            if end - position >= stride:
                yield end
