import re

import pytest

from keras_gpt3.tokenization.tokenizer_inputs import check_text
from keras_gpt3.tokenization.tokenizer_inputs import truncate_left

# === Text check ===


@pytest.mark.parametrize(
    "text", ["", "a\0", "\ud7ff\ue000\uffff", "\U0010ffff"]
)
def test_accepts_every_valid_string(text):
    check_text(text)


@pytest.mark.parametrize("text", ["\ud800", "a\udfff", "\ude00\ud83d"])
def test_refuses_lone_surrogates_with_a_remedy_that_works(text):
    message = (
        r"^Texts must be valid UTF-8\. Received: a lone surrogate U\+D[89A-F]\w"
        r"{2} at position \d\. Replace it with U\+FFFD, or send the text as "
        r"UTF-8\.$"
    )
    with pytest.raises(ValueError, match=message):
        check_text(text)
    check_text(re.sub("[\ud800-\udfff]", "\ufffd", text))


# === Left truncation ===


@pytest.mark.parametrize(
    ("length", "num_kept", "expected"),
    [
        (4, 0, [1, 2, 3, 4]),
        (9, 2, [1, 2, 3, 4]),
        (3, 0, [2, 3, 4]),
        (3, 1, [1, 3, 4]),
        (3, 3, [1, 2, 3]),
        (1, 1, [1]),
        (0, 0, []),
    ],
)
def test_the_first_tokens_go_but_not_those_that_are_kept(
    length, num_kept, expected
):
    ids = [1, 2, 3, 4]
    assert truncate_left(ids, length, num_kept) == expected
    assert ids == [1, 2, 3, 4]
