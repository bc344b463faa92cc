"""Text files that are written anew until somebody edits them."""

import hashlib
import pathlib

from keras_gpt3.replaced_file import replaced_file

_SEAL = "# Written by keras_gpt3; replaced by the next export unless edited: "


def write_unless_edited(path, text):
    """Writes a text file at once, but over nobody's edits.

    Its first line, a comment, holds a checksum of the rest. A file without it,
    or with another checksum, was edited, and stays as it is.

    Args:
        path: path. The file, of a format in which `#` begins a comment.
        text: string. What it shall hold below its first line.

    Returns:
        A bool: whether the file holds the text. It does not where an edited
        one, with another text, was kept.

    Example:

    ```python
    from keras_gpt3.export.sealed_text import write_unless_edited

    write_unless_edited("a.config", "size: 1\\n")  # True
    write_unless_edited("a.config", "size: 2\\n")  # True
    with open("a.config", "a") as file:
        file.write("color: 3\\n")
    write_unless_edited("a.config", "size: 4\\n")  # False
    ```
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
