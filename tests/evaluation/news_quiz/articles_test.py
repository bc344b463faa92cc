import gzip
import json

import pytest

from keras_gpt3.evaluation.news_quiz.articles import Article
from keras_gpt3.evaluation.news_quiz.articles import formatted
from keras_gpt3.evaluation.news_quiz.articles import read_articles
from keras_gpt3.evaluation.news_quiz.articles import whole_sentences

GOOD = {"title": " A  title\n", "subtitle": "Below", "text": "One.\n\n Two. \n"}


@pytest.mark.parametrize("name", ["news.jsonl", "news.jsonl.gz"])
def test_articles_are_read_and_brought_into_one_form(tmp_path, name):
    path = tmp_path / name
    text = json.dumps(GOOD) + "\n\n" + json.dumps(GOOD | {"title": "B"})
    data = text.encode()
    path.write_bytes(gzip.compress(data) if name.endswith("gz") else data)
    assert read_articles(path) == [
        Article("A title", "Below", "One.\nTwo."),
        Article("B", "Below", "One.\nTwo."),
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"text": None}, "line=2, text=None. Correct or remove it."),
        ({"title": 3}, "An article must be a JSON object with the strings"),
        ({"subtitle": " "}, "subtitle=' '"),
        ({"text": "\ud800"}, "surrogates not allowed"),
        ({}, "a title and subtitle of its own. Received: .*line=2, whose"),
    ],
)
def test_what_is_no_article_is_said_with_its_line(tmp_path, change, message):
    path = tmp_path / "news.jsonl"
    path.write_text(json.dumps(GOOD) + "\n" + json.dumps(GOOD | change))
    with pytest.raises(ValueError, match=message):
        read_articles(path)


def test_the_form_keeps_paragraphs_and_no_other_white_space():
    assert formatted("\n a\tb \r\n\u2028 c  d\n\n") == "a b\nc d"
    assert Article("", "", "a b\nc d").num_words == 4


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("One. Two and", "One."),
        ('He said "No!" and', 'He said "No!"'),
        ("It is 3.5 now. Then", "It is 3.5 now."),
        ("All of it.", "All of it."),
        ("No end of it", "No end of it"),
        ("One?\nTwo", "One?"),
    ],
)
def test_what_follows_the_last_sentence_is_cut(text, cut):
    assert whole_sentences(text) == cut
