import pytest

from keras_gpt3.corpus.read.read_file_part import repair_text


@pytest.mark.parametrize(
    ("text", "repaired"),
    [
        ("cafÃ©", "café"),
        ("a\r\nb\rc\u2028d", "a\nb\nc\nd"),
        ("a\x00b\x07c", "abc"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("cafe\u0301", "café"),
        ("x\ud800y", "x\ufffdy"),
        ("  Once\n\n", "Once"),
        ("", ""),
    ],
)
def test_what_is_broken_is_mended(text, repaired):
    assert repair_text(text) == repaired
    assert repair_text(repaired) == repaired


@pytest.mark.parametrize(
    "text",
    [
        "It\u2019s \u201cquoted\u201d",
        "\ufb01ne \uff21",
        "&amp; <b>",
        "a\tb\n\nc",
        "\u0645\u0631\u062d\u0628\u0627",
        "\U0001f600",
    ],
)
def test_what_is_right_stays(text):
    assert repair_text(text) == text
