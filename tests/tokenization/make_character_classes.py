"""Writes keras_gpt3/tokenization/character_classes.json from tiktoken.

    python -m tests.tokenization.make_character_classes

Run it from the top folder when tiktoken comes with a newer Unicode.
"""

import importlib.metadata
import json
import pathlib
import sys

import keras_gpt3
from keras_gpt3.tokenization.vocabulary import BYTE_SYMBOLS

FILE = (
    pathlib.Path(keras_gpt3.__file__).parent
    / "tokenization/character_classes.json"
)
PATTERNS = {"letters": r"\p{L}", "numbers": r"\p{N}", "whitespace": r"\s"}
SURROGATES = range(0xD800, 0xE000)


def all_characters():
    """Every code point that UTF-8 can carry, as one str."""
    return "".join(
        chr(c) for c in range(sys.maxunicode + 1) if c not in SURROGATES
    )


def tiktoken_character_ranges():
    """What tiktoken takes for letters, numbers and whitespace.

    It passes over what its pattern does not match: a pattern that is one class
    of characters gives back that class.
    """
    import tiktoken

    ranges = {}
    for name, pattern in PATTERNS.items():
        encoding = tiktoken.Encoding(
            name,
            pat_str=pattern,
            mergeable_ranks={bytes([b]): b for b in range(len(BYTE_SYMBOLS))},
            special_tokens={},
        )
        members = bytes(encoding.encode_ordinary(all_characters()))
        ranges[name] = as_ranges(map(ord, members.decode()))
    return ranges


def as_ranges(numbers):
    """Pairs of first and last of each run in growing numbers."""
    ranges = []
    for number in numbers:
        if ranges and ranges[-1][1] == number - 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    return ranges


def main():
    """Writes the file, a line for each class."""
    version = importlib.metadata.version("tiktoken")
    content = {"made_with": f"tiktoken {version}"}
    content |= tiktoken_character_ranges()
    lines = (
        f"{json.dumps(name)}: {json.dumps(value, separators=(',', ':'))}"
        for name, value in content.items()
    )
    FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n", "utf-8")


if __name__ == "__main__":
    main()
