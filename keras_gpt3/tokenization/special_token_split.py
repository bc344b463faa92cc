"""Cuts a text at its special tokens."""

import re
from itertools import pairwise


def are_nested(tokens):
    """Whether one token begins with another, so that both begin at one place.

    Args:
        tokens: iterable of str.

    Returns:
        A bool.

    Example:

    ```python
    from keras_gpt3.tokenization.special_token_split import are_nested

    are_nested(["<end>", "<end>!"])  # True
    ```
    """
    # In order, what begins with a token comes right behind it.
    return any(b.startswith(a) for a, b in pairwise(sorted(tokens)))


def split_at_tokens(text, tokens):
    """Cuts a text before and behind each of some tokens.

    The first token from the left counts, and of two that begin at one place
    the longer, as in Hugging Face's tokenizers.

    Args:
        text: string.
        tokens: tuple of str. One or more, none empty.

    Returns:
        A list of strings whose concatenation is `text`: a piece between
        tokens, which may be empty, a token, a piece, and so on.

    Example:

    ```python
    from keras_gpt3.tokenization.special_token_split import split_at_tokens

    split_at_tokens("a<end>!b", ("<end>", "<end>!"))  # ["a", "<end>!", "b"]
    ```
    """
    longest_first = sorted(tokens, key=len, reverse=True)
    return re.split(f"({'|'.join(map(re.escape, longest_first))})", text)
