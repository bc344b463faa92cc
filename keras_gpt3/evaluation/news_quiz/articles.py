"""Real news articles of a file, and the form that all articles are shown in."""

import dataclasses
import os
import re

from keras_gpt3.argument_checks import echoed
from keras_gpt3.data.json_objects import read_json_objects

_FIELDS = ("title", "subtitle", "text")


@dataclasses.dataclass(frozen=True)
class Article:
    """A news article by whomever."""

    title: str
    subtitle: str
    text: str

    @property
    def num_words(self):
        """int. Words of the text."""
        return count_words(self.text)


def count_words(text):
    """Count what spaces separate."""
    return len(text.split())


def read_articles(path):
    """Read a file of one article a line; empty lines are left out."""
    path, places, articles = os.fspath(path), {}, []
    for where, value in read_json_objects(path, "articles"):
        article = _article(value, where)
        heading = article.title, article.subtitle
        if heading in places:
            raise ValueError(
                "Each article must have a title and subtitle of its own. "
                f"Received: {where}, whose are those of {places[heading]}. "
                "Remove one of them."
            )
        places[heading] = where
        articles.append(article)
    return articles


def _article(value, where):
    fields = {}
    for name in _FIELDS:
        reason = _fault(value.get(name))
        if reason:
            raise ValueError(
                "An article must be a JSON object with the strings title, "
                f"subtitle and text. Received: {where}, {name}={reason}. "
                "Correct or remove it."
            )
        fields[name] = _one_line(value[name])
    return Article(**fields | {"text": formatted(value["text"])})


def _fault(text):
    """What is wrong with a field, or `None`."""
    if not isinstance(text, str) or not text.strip():
        return echoed(text)
    try:
        # Escapes can spell half a character, which no page can show.
        text.encode()
    except UnicodeEncodeError as error:
        return str(error)
    return None


def _one_line(text):
    return " ".join(text.split())


def formatted(text):
    """Bring a text into the form that hides who wrote it.

    One line a paragraph, and one space between words: a model's text is not
    to be known by its white space.
    """
    return "\n".join(filter(None, map(_one_line, text.splitlines())))


# A sentence ends where a space follows, or the text ends.
_SENTENCE_END = re.compile(r"""[.!?]["'\u201d\u2019)\]]*(?=\s|$)""")


def whole_sentences(text):
    """Cut what follows the last whole sentence, if there is one.

    A model that has reached its most tokens stops amid a sentence, and a
    reader would know it by that alone.
    """
    ends = [match.end() for match in _SENTENCE_END.finditer(text)]
    return text[: ends[-1]] if ends else text
