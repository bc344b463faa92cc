import random

import pytest

from keras_gpt3.tokenization.byte_pair_encoding import are_nested
from keras_gpt3.tokenization.byte_pair_encoding import split_at_tokens


def slow_split(text, tokens):
    """Looks at each place in turn for the longest token that begins there."""
    parts, start, place = [], 0, 0
    while place < len(text):
        found = [t for t in tokens if text.startswith(t, place)]
        if not found:
            place += 1
            continue
        token = max(found, key=len)
        parts += [text[start:place], token]
        place = start = place + len(token)
    return [*parts, text[start:]]


@pytest.mark.parametrize(
    "tokens", [("ab",), ("a", "ab"), ("ab", "abb", "b|"), (".*", "(", "a.")]
)
def test_equals_the_slow_oracle(tokens):
    choices = random.Random(0)
    for _ in range(200):
        text = "".join(choices.choices("ab|.*(", k=choices.randint(0, 12)))
        parts = split_at_tokens(text, tokens)
        assert parts == slow_split(text, tokens)
        assert "".join(parts) == text


@pytest.mark.parametrize(
    ("tokens", "nested"),
    [
        ((), False),
        (("<a>",), False),
        (("<a>", "<b>", "a>"), False),
        (("<a>b", "z", "<a>"), True),
        (("<a", "<a>c", "<a>b"), True),
    ],
)
def test_tells_whether_one_token_begins_with_another(tokens, nested):
    assert are_nested(tokens) is nested
