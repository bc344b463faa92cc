"""Finds the text of a web page: its content, without navigation."""

import functools
import logging

from keras_gpt3.corpus.corpus_extra import import_extra


def html_text(data, url=None):
    """Extracts the main text of a page, by trafilatura.

    Args:
        data: bytes or string. The HTML; the encoding of bytes is found out.
        url: string. Its address. Defaults to `None`.

    Returns:
        A string, or `None` where no text is found or the page is beyond
        repair.

    Example:

    ```python
    from keras_gpt3.corpus.html_text import html_text

    text = "It was a bright cold day in April, and the clocks struck. " * 5
    html_text(f"<html><body><article><p>{text}</p></article></body></html>")
    ```
    """
    trafilatura = _trafilatura()
    errors = import_extra("lxml.etree").LxmlError
    try:
        return trafilatura.extract(
            data,
            url=url,
            include_comments=False,
            with_metadata=False,
        )
    # A page may be anything, and what the library makes of some is one of
    # these. No page may end a run over millions.
    except (
        errors,
        ArithmeticError,
        AttributeError,
        LookupError,
        RecursionError,
        TypeError,
        ValueError,
    ):
        return None


@functools.cache
def _trafilatura():
    # It logs each page without text, which is counted anyway.
    logging.getLogger("trafilatura").setLevel(logging.CRITICAL)
    return import_extra("trafilatura")
