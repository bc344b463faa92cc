"""Decodes the bytes of a text that may not be all UTF-8."""

import codecs
import re

# The largest share of bytes that a repair may guess.
_MAX_GUESSED = 0.2
_MAX_CONTROLS = 0.02
_CONTROLS = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_HANDLER = "keras_gpt3.windows_1252"


def decode_text(data):
    """Decodes text; single bytes that are no UTF-8 are read as Windows-1252."""
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return _decode(data.removeprefix(codecs.BOM_UTF8), encoding)
    if is_binary(data):
        return None, "binary"
    return _decode(data, "utf-8")


def is_binary(data):
    """Whether bytes, without a mark of UTF-16, are no text."""
    if b"\0" in data:
        return True
    return len(_CONTROLS.findall(data)) > _MAX_CONTROLS * len(data)


def _decode(data, encoding):
    try:
        return data.decode(encoding), None
    except UnicodeDecodeError:
        if encoding != "utf-8":
            return None, f"not {encoding.upper()}"
    if len(data.decode("utf-8", "ignore").encode()) < len(data) * (
        1 - _MAX_GUESSED
    ):
        return None, "not UTF-8"
    return data.decode("utf-8", _HANDLER), None


def _as_windows_1252(error):
    if not isinstance(error, UnicodeDecodeError):
        raise error
    data = error.object[error.start : error.end]
    # Five bytes are no character there.
    return data.decode("windows-1252", "replace"), error.end


codecs.register_error(_HANDLER, _as_windows_1252)
