"""Cuts a text at its special tokens."""

import re
from itertools import pairwise


def are_nested(tokens):
    """Whether one token begins with another, so that both begin at one
    place.
    """
    # In order, what begins with a token comes right behind it.
    return any(b.startswith(a) for a, b in pairwise(sorted(tokens)))


def split_at_tokens(text, tokens):
    """Cuts a text before and behind each of some tokens.

    The first token from the left counts, and of two that begin at one place
    the longer, as in Hugging Face's tokenizers.
    """
    longest_first = sorted(tokens, key=len, reverse=True)
    return re.split(f"({'|'.join(map(re.escape, longest_first))})", text)
