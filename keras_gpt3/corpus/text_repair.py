"""Mends the characters of a text, and leaves its words alone."""

import functools
import re

from keras_gpt3.corpus.corpus_extra import import_extra

# What ftfy may change in a text that is ASCII: without any, it is spared.
_MENDED_ASCII = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_SURROGATES = re.compile("[\ud800-\udfff]")


def repair_text(text):
    """Repairs a text with ftfy, in its careful settings.

    UTF-8 that was read as another encoding is read again, control characters
    and escapes of terminals go, ends of lines become newlines, characters get
    their composed form (NFC). Quotes, ligatures, wide letters and HTML stay.
    """
    if not text.isascii() or _MENDED_ASCII.search(text):
        text = import_extra("ftfy").fix_text(text, _config())
        # Halves of pairs that no file can hold.
        text = _SURROGATES.sub("\ufffd", text)
    return text.strip()


@functools.cache
def _config():
    return import_extra("ftfy").TextFixerConfig(
        unescape_html=False,
        uncurl_quotes=False,
        fix_latin_ligatures=False,
        fix_character_width=False,
        explain=False,
    )
