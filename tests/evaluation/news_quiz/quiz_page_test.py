import base64
import html.parser
import json
import re

import pytest

from keras_gpt3.evaluation.news_quiz.quiz_page import CHOICES
from keras_gpt3.evaluation.news_quiz.quiz_page import quiz_page
from keras_gpt3.evaluation.news_quiz.quiz_page import write_quiz
from tests.evaluation.some_quiz import some_key


class Tags(html.parser.HTMLParser):
    """The tags with their attributes, and the text of scripts by id."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.scripts, self._id = [], {}, None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._id = dict(attrs).get("id")

    def handle_data(self, data):
        if self.tags and self.tags[-1][0] == "script":
            self.scripts.setdefault(self._id, data)


def content(page):
    return json.loads(base64.b64decode(Tags(page).scripts["study"]))


def test_the_page_needs_no_other_file_and_no_network():
    page = quiz_page(some_key())
    found = Tags(page)
    assert not {"link", "img", "iframe"} & {tag for tag, _ in found.tags}
    assert not any({"src", "href"} & {*attrs} for _, attrs in found.tags)
    assert "://" not in page and "url(" not in page and "{{" not in page
    policies = [a for _, a in found.tags if "http-equiv" in a]
    assert policies[0]["content"].startswith("default-src 'none'; ")


def test_the_page_holds_all_articles_but_not_who_wrote_them():
    key = some_key()
    page = quiz_page(key, ("Welcome.",))
    assert content(page) == {
        "study": key.study,
        "choices": [*CHOICES],
        "welcome": ["Welcome."],
        "check": "What is 2 and 3?",
        "items": {
            str(i.id): [i.title, i.subtitle, i.text.split("\n")]
            for i in key.items
        },
        "quizzes": {str(q.id): [*q.items] for q in key.quizzes},
    }
    # Neither the articles nor the right answer are read by a look at it.
    for text in ("wrote this", "Title 1", "five", "runs/good"):
        assert text not in page
    # No model's name, nor the answer, are there in any form.
    hidden = json.dumps(content(page))
    for text in ("runs/good", "experiment", "five", "control"):
        assert text not in hidden


def test_the_choices_are_the_papers():
    assert CHOICES[2] == "I don't know"
    assert [c.split()[-1] for c in CHOICES] == [
        *("human", "human", "know", "machine", "machine")
    ]


def test_the_script_finds_each_element_that_it_names():
    found = Tags(quiz_page(some_key()))
    ids = {attrs.get("id") for _, attrs in found.tags}
    named = set(re.findall(r'element\("([\w-]+)"\)', found.scripts[None]))
    assert len(named) > 15
    assert named <= ids


def test_without_a_check_there_is_none():
    assert content(quiz_page(some_key(check=None)))["check"] is None


def test_a_folder_gets_the_page_and_the_key_and_keeps_the_rest(tmp_path):
    (tmp_path / "mine.txt").write_text("stays")
    write_quiz(tmp_path, some_key())
    write_quiz(tmp_path, some_key(seed=1))
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"mine.txt", "quiz.html", "key.json"}
    key = json.loads((tmp_path / "key.json").read_text("utf-8"))
    page = (tmp_path / "quiz.html").read_text("utf-8")
    assert content(page)["study"] == key["study"] == some_key(seed=1).study


def test_a_quiz_that_fails_leaves_nothing(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError("no space")

    monkeypatch.setattr(
        "keras_gpt3.evaluation.news_quiz.quiz_page.key_text", fail
    )
    with pytest.raises(OSError, match="no space"):
        write_quiz(tmp_path / "quiz", some_key())
    assert list(tmp_path.iterdir()) == []
