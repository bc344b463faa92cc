"""The slow, obvious byte-pair encoding that the fast one is held against."""

from itertools import pairwise

import regex

PATTERN = regex.compile(
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+"
    r"|\s+(?!\S)|\s+"
)
PRINTABLE = [*range(33, 127), *range(161, 173), *range(174, 256)]
OTHERS = [byte for byte in range(256) if byte not in PRINTABLE]
SYMBOLS = {byte: chr(byte) for byte in PRINTABLE}
SYMBOLS |= {byte: chr(256 + i) for i, byte in enumerate(OTHERS)}


def slow_encode(text, vocabulary, ranks, split_special_tokens=False):
    """Merges the neighbours of lowest rank in each word, until none is left."""
    special = "(<\\|endoftext\\|>)"
    ids = []
    for i, part in enumerate(
        [text] if split_special_tokens else regex.split(special, text)
    ):
        if i % 2:  # The separators that the split keeps.
            ids.append(vocabulary[part])
            continue
        for word in PATTERN.findall(part):
            symbols = [SYMBOLS[byte] for byte in word.encode()]
            while pairs := [p for p in pairwise(symbols) if p in ranks]:
                best = min(pairs, key=ranks.get)
                at = list(pairwise(symbols)).index(best)
                symbols[at : at + 2] = ["".join(best)]
            ids += [vocabulary[symbol] for symbol in symbols]
    return ids


def merge_ranks(merges):
    """Numbers merge rules "left right"."""
    return {tuple(rule.split(" ")): rank for rank, rule in enumerate(merges)}
