"""Reads the JSON files of a tokenizer."""

from keras_gpt3.converters.json_file import read_json
from keras_gpt3.echoed_value import echoed


def read_json_object(path):
    """Reads a file that holds one JSON object."""
    try:
        content = read_json(path)
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise damaged(path, str(error)) from None
    if not isinstance(content, dict):
        raise damaged(path, f"content={content!r:.50}")
    return content


def damaged(path, reason):
    """Makes the error for a tokenizer's file that cannot be read."""
    reason = " ".join(reason.split())
    return ValueError(
        "A tokenizer's file must be whole and in its format. Received: "
        f"file={echoed(str(path))} ({reason.rstrip('.')}). Download it again."
    )


def foreign(path, name, value, remedy="Use the tokenizer of a GPT-2"):
    """Makes the error for a setting that GPT-2's tokenizer does not have."""
    return ValueError(
        "A checkpoint's tokenizer must split and join texts as GPT-2's does. "
        f"Received: file={echoed(str(path))}, {name}={value!r:.80}. {remedy}, "
        "or pass preprocessor=None and work on token ids."
    )
