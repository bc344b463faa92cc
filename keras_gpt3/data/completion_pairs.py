"""Reads pairs of prompt and completion, from lists or JSON-lines files."""

import os

from keras_gpt3.data.json_objects import read_json_objects

# The second name is that of evaluation tasks.
_PROMPT_KEYS = ("prompt", "context")
_SHAPE = 'an object with the strings "prompt" (or "context") and "completion"'
# Of the keys that a message shows.
_MOST_KEYS, _MOST_LETTERS = 5, 30


class FilePair(tuple):
    """A pair `(prompt, completion)` that knows where it was read."""


def read_completion_pairs(source):
    """Reads what a model is to answer, and to what.

    Args:
        source: path of a `.jsonl` or `.jsonl.gz` file, a line of which is one
            object; or an iterable of dicts or of pairs of strings. An object
            or dict has the strings `"prompt"`, or else `"context"`, and
            `"completion"`; other keys are left alone.

    Returns:
        A list of pairs `(prompt, completion)` of strings. Those of a file are
        of class `FilePair`, so that later messages can name the line.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If a pair is damaged or has an empty completion, the file
            has another suffix or is not UTF-8, or there is no pair.

    Example:

    ```python
    from keras_gpt3.data.completion_pairs import read_completion_pairs

    pairs = [{"prompt": "Q: What is 98 plus 45? A:", "completion": " 143"}]
    read_completion_pairs(pairs)
    # [("Q: What is 98 plus 45? A:", " 143")]
    ```
    """
    if isinstance(source, (str, os.PathLike)):
        path = os.fspath(source)
        pairs, where = _read_file(path), f"file='{path}', which holds none"
    else:
        pairs, where = _read_entries(source), "an empty list"
    if not pairs:
        raise ValueError(
            "There must be at least one pair of prompt and completion. "
            f"Received: {where}. Add some."
        )
    return pairs


def pair_origin(pair, number):
    """What a message calls a pair."""
    if isinstance(pair, FilePair):
        return pair.where
    return f"pair {number}"


def _read_file(path):
    pairs = []
    for where, entry in read_json_objects(path, "pairs"):
        pair = FilePair(_checked(*_texts(entry, where), where))
        pair.where = where
        pairs.append(pair)
    return pairs


def _read_entries(source):
    try:
        entries = enumerate(source, start=1)
    except TypeError:
        raise ValueError(
            "Pairs must be a path, or an iterable of dicts or pairs. Received: "
            f"type={type(source).__name__}. Pass a list."
        ) from None
    return [_entry(entry, pair_origin(entry, n)) for n, entry in entries]


def _entry(entry, where):
    """A pair of an iterable; one that was read from a file stays as it is."""
    if isinstance(entry, FilePair):
        return entry
    if isinstance(entry, dict):
        return _checked(*_texts(entry, where), where)
    is_sequence = isinstance(entry, (tuple, list))
    if not is_sequence or len(entry) != 2:
        reason = f"it is of type {type(entry).__name__}"
        if is_sequence:
            reason = f"it has {len(entry)} entries"
        raise ValueError(
            f"A pair must be two strings, or {_SHAPE}. Received: {where} "
            f"({reason}). Correct or remove it."
        )
    return _checked(*entry, where)


def _texts(entry, where):
    """The values of a dict that should be the two strings."""
    prompt_keys = [key for key in _PROMPT_KEYS if key in entry]
    if len(prompt_keys) > 1:
        raise ValueError(
            'A pair must have one of "prompt" and "context". Received: '
            f"{where} with both. Remove one."
        )
    if not prompt_keys or "completion" not in entry:
        missing = "completion" if prompt_keys else "prompt"
        raise _damaged(where, f'no "{missing}" among {_key_words(entry)}')
    return entry[prompt_keys[0]], entry["completion"]


def _key_words(entry):
    """The keys of a dict, as far as a message can show them."""
    keys = [repr(key)[:_MOST_LETTERS] for key in entry]
    more = ["..."] if len(keys) > _MOST_KEYS else []
    return f"the keys [{', '.join(keys[:_MOST_KEYS] + more)}]"


def _checked(prompt, completion, where):
    """The pair of what should be two strings that can be encoded."""
    for name, text in (("prompt", prompt), ("completion", completion)):
        if not isinstance(text, str):
            kind = type(text).__name__
            raise _damaged(where, f"its {name} is of type {kind}")
        try:
            text.encode()
        except UnicodeEncodeError as error:
            # Escapes can spell half a character.
            raise _damaged(where, f"its {name}: {error}") from error
    if not completion:
        raise ValueError(
            "A completion must have at least one character. Received: "
            f"{where} with an empty one. Fill or remove it."
        )
    return prompt, completion


def _damaged(where, reason):
    return ValueError(
        f"A pair must be {_SHAPE}. Received: {where} ({reason}). Correct or "
        "remove it."
    )
