"""Reads pairs of prompt and completion, from lists or JSON-lines files."""

import gzip
import json
import os
import pathlib
import zlib

_SUFFIXES = (".jsonl", ".jsonl.gz")
# The second names are those of evaluation tasks.
_PROMPT_KEYS = ("prompt", "context")
_KEYS = (_PROMPT_KEYS, ("completion",))
_SHAPE = (
    'must be an object with the strings "prompt" (or "context") and '
    '"completion".'
)


def read_completion_pairs(source):
    """Reads what a model is to answer, and to what.

    Args:
        source: path of a `.jsonl` or `.jsonl.gz` file, a line of which is one
            pair; or an iterable of dicts. Each has the strings `"prompt"`, or
            `"context"`, and `"completion"`; other keys are left alone.

    Returns:
        A list of pairs `(prompt, completion)` of strings.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If a pair is damaged or has an empty completion, the file
            has another suffix, or there is no pair.

    Example:

    ```python
    from keras_gpt3.data.completion_pairs import read_completion_pairs

    pairs = [{"prompt": "Q: What is 98 plus 45? A:", "completion": " 143"}]
    read_completion_pairs(pairs)
    # [("Q: What is 98 plus 45? A:", " 143")]
    ```
    """
    if isinstance(source, (str, os.PathLike)):
        pairs = _read_file(pathlib.Path(source))
    else:
        pairs = [
            _pair(entry, f"pair {number}")
            for number, entry in enumerate(source, start=1)
        ]
    if not pairs:
        where = "an empty list"
        if isinstance(source, (str, os.PathLike)):
            where = f"file='{source}', which holds none"
        raise ValueError(
            "There must be at least one pair of prompt and completion. "
            f"Received: {where}. Add some."
        )
    return pairs


def _read_file(path):
    if not path.name.lower().endswith(_SUFFIXES):
        raise ValueError(
            f"A file of pairs must end in {' or '.join(_SUFFIXES)}. Received: "
            f"file='{path}'. Convert it to one JSON object a line."
        )
    if not path.is_file():
        raise FileNotFoundError(
            f"A file of pairs must exist. Received: file='{path}'. Correct "
            "the path."
        )
    opener = gzip.open if path.name.lower().endswith(".gz") else open
    try:
        with opener(path, "rb") as lines:
            return [
                _pair(_parsed(line), f"file='{path}', line={number}")
                for number, line in enumerate(lines, start=1)
                if line.strip()
            ]
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(
            "A .gz file must be complete and gzipped. Received: "
            f"file='{path}' ({error}). Copy it again."
        ) from error


def _parsed(line):
    """The value of a line; `None`, which is no pair, where it is no JSON."""
    try:
        return json.loads(line)
    except ValueError:
        return None


def _pair(entry, where):
    """Checks one pair; `where` says which, for the message."""
    texts = [_text(entry, keys) for keys in _KEYS]
    if None in texts:
        raise ValueError(
            f"A pair {_SHAPE} Received: {where}. Correct or remove it."
        )
    if not texts[1]:
        raise ValueError(
            "A completion must have at least one character. Received: "
            f"{where} with an empty one. Fill or remove it."
        )
    return tuple(texts)


def _text(entry, keys):
    """The string under the one of the keys that is there, else `None`."""
    if not isinstance(entry, dict):
        return None
    present = [key for key in keys if key in entry]
    if len(present) != 1 or not isinstance(entry[present[0]], str):
        return None
    text = entry[present[0]]
    try:
        text.encode()
    except UnicodeEncodeError:  # Escapes can spell half a character.
        return None
    return text
