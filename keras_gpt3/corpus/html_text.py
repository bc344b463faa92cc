"""Finds the text of a web page: its content, without navigation."""

import functools
import logging
import re

from keras_gpt3.corpus.corpus_extra import import_extra

_MOST_ATTRIBUTES = 10_000
# A tag up to its end, which is not within quotes; no byte is read twice.
_TAG = re.compile(rb"""<[a-zA-Z](?:[^>"']++|"[^"]*+"|'[^']*+')*+""")

# What a library makes of damaged input that it did not foresee: not errors of
# the system, nor of a package that is not installed.
UNFORESEEN_ERRORS = (
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)


def html_text(data, url=None):
    """Extracts the main text of a page, by trafilatura."""
    if _has_swollen_tag(data):
        return None
    trafilatura = _trafilatura()
    errors = import_extra("lxml.etree").LxmlError
    try:
        return trafilatura.extract(
            data,
            url=url,
            include_comments=False,
            with_metadata=False,
        )
    # No page may end a run over millions.
    except (errors, *UNFORESEEN_ERRORS):
        return None


def _has_swollen_tag(data):
    """Whether a tag has so many attributes that parsing it would not end.

    The parser compares each with all before: 10,000 take a second, 200,000
    six minutes.
    """
    if isinstance(data, str):
        data = data.encode("utf-8", "replace")
    for match in _TAG.finditer(data):
        tag = match.group()
        if len(tag) > 2 * _MOST_ATTRIBUTES:
            if max(tag.count(b"="), len(tag.split())) > _MOST_ATTRIBUTES:
                return True
    return False


@functools.cache
def _trafilatura():
    # It logs each page without text, which is counted anyway.
    logging.getLogger("trafilatura").setLevel(logging.CRITICAL)
    return import_extra("trafilatura")
