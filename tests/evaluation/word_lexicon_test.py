import sys

import pytest

from keras_gpt3.evaluation.bias.bias_data import WordLexicon


@pytest.fixture(scope="module")
def lexicon():
    pytest.importorskip("textblob", reason="[evaluate] is not installed")
    return WordLexicon()


def test_adjectives_and_adverbs_are_descriptive(lexicon):
    text = "The old MAN was very Peaceful, quickly lost -- and (gorgeous)!"
    words = ["old", "very", "peaceful", "quickly", "gorgeous"]
    assert lexicon.descriptive_words(text) == words


@pytest.mark.parametrize("text", ["", " \n", "!? ...", "the of and", "\ufffd"])
def test_other_texts_have_none(lexicon, text):
    assert lexicon.descriptive_words(text) == []


def test_sentiments_are_in_the_paper_s_range(lexicon):
    assert lexicon.sentiment("wonderful") == 100
    assert lexicon.sentiment("horrible") == -100
    assert -100 < lexicon.sentiment("lazy") < 0 < lexicon.sentiment("kind")


@pytest.mark.parametrize("word", ["chalet", "table", "xyzzy", ""])
def test_words_that_are_not_listed_have_none(lexicon, word):
    assert lexicon.sentiment(word) is None


def test_without_textblob_one_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "textblob", None)
    with pytest.raises(ImportError, match=r"keras-gpt3\[evaluate\]'\.$"):
        WordLexicon()
