"""Text files that are written anew until somebody edits them."""

import hashlib
import pathlib

from keras_gpt3.replaced_file import replaced_file

_SEAL = "# Written by keras_gpt3; replaced by the next export unless edited: "


def write_unless_edited(path, text):
    """Writes a text file at once, but over nobody's edits.

    Its first line, a comment, holds a checksum of the rest. A file without it,
    or with another checksum, was edited, and stays as it is.
    """
    path = pathlib.Path(path)
    if path.exists():
        present = path.read_text("utf-8")
        body = present.partition("\n")[2]
        if present != _sealed(body):
            return text in (present, body)
    with replaced_file(path) as file:
        file.write(_sealed(text).encode())
    return True


def _sealed(text):
    return f"{_SEAL}{hashlib.sha256(text.encode()).hexdigest()[:16]}\n{text}"
