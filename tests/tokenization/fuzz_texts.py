"""Seeded random texts that try a tokenizer's patience."""

import random
import sys
import unicodedata

PROMPTS = [
    "\n\nQ: What is 98 plus 45?\n\nA:",
    "Translate English to French:\n\nsea otter => loutre de mer\n\ncheese =>",
    "Please unscramble the letters into a word:\n\nasinoc =\n",
    "lull is to trust as\n(a) balk is to fortitude\n(b) betray is to loyalty",
    'To do a "farduddle" means to jump up and down really fast.\n\n',
    "Alice was friends with Bob. Alice went to visit her friend ____. ->",
    "Poor English input: I eated the purple berries.\n  Good English output:",
]

WHITESPACE = list(" " * 8 + "\n" * 4 + "\r\t\x0b\x0c\x85\xa0\u2003\u2028\u3000")
NEARLY_WHITESPACE = list("\x1c\x1f\u180e\u200b\ufeff\0")
MARKS = [chr(c) for c in range(0x300, 0x370)] + list("\u200d\ufe0f\u093f")
WORDS = (
    "'s 't 're 've 'm 'll 'd 'S 'lll don't I'm we'd the of 1 98 2020".split()
)
WORDS += "<|endoftext|> <|endof |> _ ... é".split()
WORDS = [*WORDS, "\u4e2d\u6587", "\U0001f468", "\u0663\u00bd", "-=-"]


def _assigned():
    """Characters that Unicode had long ago, so that all tables know them."""
    table = unicodedata.ucd_3_2_0
    everything = map(chr, range(sys.maxunicode + 1))
    return [c for c in everything if table.category(c) not in ("Cn", "Cs")]


def fuzz_texts(count, seed):
    """Yields the prompts, and then random mixtures of awkward pieces.

    Args:
        count: int. How many.
        seed: int.

    Yields:
        str, of up to 60 pieces each.
    """
    yield from PROMPTS[:count]
    choices = random.Random(seed)
    assigned = _assigned()
    astral = [c for c in assigned if ord(c) > 0xFFFF]
    ascii = [chr(c) for c in range(128)]
    pools = [WHITESPACE, NEARLY_WHITESPACE, MARKS, WORDS, ascii, assigned]
    pools += [astral, WHITESPACE, WORDS]
    for _ in range(count - len(PROMPTS)):
        some = choices.sample(pools, choices.randint(1, len(pools)))
        length = choices.randint(0, 60)
        yield "".join(
            choices.choice(choices.choice(some)) for _ in range(length)
        )
