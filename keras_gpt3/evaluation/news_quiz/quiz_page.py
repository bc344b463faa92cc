"""The page that participants answer a quiz on: one file, without the key."""

import base64
import html
import importlib.resources
import json

from keras_gpt3.atomic_write import atomic_folder
from keras_gpt3.evaluation.news_quiz.quiz_key import KEY_FILE
from keras_gpt3.evaluation.news_quiz.quiz_key import key_text

PAGE_FILE = "quiz.html"
TITLE = "News articles"
# Section 3.9.4; the third is neutral.
CHOICES = (
    "very likely written by a human",
    "more likely written by a human",
    "I don't know",
    "more likely written by a machine",
    "very likely written by a machine",
)
WELCOME = (
    "You are going to read some short news articles, one after another. Some "
    "were written by people, others by a computer program.",
    "Say of each who you think wrote it. Please do not look up the articles, "
    "nor anything that they are about, until you are done.",
)


def write_quiz(folder, key, welcome=WELCOME):
    """Write a quiz into a folder: the page, and the key apart from it."""
    owned = (PAGE_FILE, KEY_FILE)
    with atomic_folder(folder, lambda path: True, owned) as new:
        (new / PAGE_FILE).write_text(quiz_page(key, welcome), "utf-8")
        (new / KEY_FILE).write_text(key_text(key), "utf-8")


def quiz_page(key, welcome=WELCOME):
    """Make the page: HTML, style and script in one, and no address in it.

    It holds texts by number, and which numbers are shown together, in a form
    that is not read by looking at it. Who wrote what does not stand there, but
    somebody who decodes it may infer it: real texts are in several quizzes.
    """
    content = {
        "study": key.study,
        "choices": CHOICES,
        "welcome": tuple(welcome),
        "check": key.check and key.check.question,
        "items": {
            item.id: [item.title, item.subtitle, item.text.split("\n")]
            for item in key.items
        },
        "quizzes": {quiz.id: quiz.items for quiz in key.quizzes},
    }
    folder = importlib.resources.files("keras_gpt3.evaluation.news_quiz")
    parts = {
        "TITLE": html.escape(TITLE),
        "STYLE": (folder / "page.css").read_text("utf-8"),
        "SCRIPT": (folder / "page.js").read_text("utf-8"),
        "STUDY": base64.b64encode(json.dumps(content).encode()).decode(),
    }
    page = (folder / "page.html").read_text("utf-8")
    for name, text in parts.items():
        page = page.replace(f"{{{{ {name} }}}}", text)
    return page
