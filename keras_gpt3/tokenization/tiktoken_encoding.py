"""Builds tiktoken's encoder for any vocabulary and merge rules."""

import numpy as np

from keras_gpt3.tokenization.byte_alphabet import BYTE_SYMBOLS
from keras_gpt3.tokenization.byte_alphabet import symbols_to_bytes

# GPT-2's pattern, with possessive repeats so that the matcher keeps no stack.
SPLIT_PATTERN = (
    r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++"
    r"|\s++$|\s+(?!\S)|\s"
)


def build_tiktoken_encoding(vocabulary, rules, special_tokens):
    """Numbers the tokens in merge order, as tiktoken wants them.

    Needs no network: nothing comes from tiktoken's own registry.
    """
    import tiktoken

    symbols = sorted(BYTE_SYMBOLS, key=vocabulary.__getitem__)
    tokens = [*symbols, *(left + right for left, right in rules)]
    encoding = tiktoken.Encoding(
        "keras_gpt3",
        pat_str=SPLIT_PATTERN,
        mergeable_ranks={symbols_to_bytes(t): r for r, t in enumerate(tokens)},
        special_tokens={
            token: rank
            for rank, token in enumerate(special_tokens, len(tokens))
        },
    )
    ids = np.array([vocabulary[t] for t in (*tokens, *special_tokens)])
    same = np.array_equal(ids, np.arange(len(ids)))
    return encoding, None if same else ids
