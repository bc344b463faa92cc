import socket

import pytest

from keras_gpt3.corpus.read import read_file_part
from keras_gpt3.corpus.read.read_file_part import identify_language


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("It was the best of times, it was the worst of times.", "en"),
        ("Es war einmal ein K\u00f6nig, der hatte eine Tochter.", "de"),
        ("Il \u00e9tait une fois\nun roi et une reine.", "fr"),
        ("\u543e\u8f29\u306f\u732b\u3067\u3042\u308b\u3002", "ja"),
        ("THIS IS A HEADING OF A PAGE IN ENGLISH", "en"),
    ],
)
def test_the_language_is_found(text, code):
    found, score = identify_language(text)
    assert found == code
    assert 0.5 < score <= 1
    assert identify_language(text) == (found, score)


@pytest.mark.parametrize("text", ["", "  \n", "12 + 30 = 42", "---"])
def test_a_text_without_a_letter_has_none(text):
    assert identify_language(text) == ("und", 0.0)


def test_nothing_is_downloaded(monkeypatch):
    def refuse(*arguments, **options):
        raise OSError("No network.")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    read_file_part._detector.cache_clear()
    assert identify_language("It was the best of times.")[0] == "en"


def test_only_the_first_characters_decide():
    english = "It was the best of times. " * 50
    german = "Es war einmal ein K\u00f6nig. " * 500
    assert identify_language(english + german) == identify_language(english)
