"""Reads the JSON files of a tokenizer."""

from keras_gpt3.converters.json_file import read_json
from keras_gpt3.echoed_value import echoed


def read_json_object(path):
    """Reads a file that holds one JSON object.

    Args:
        path: `pathlib.Path`.

    Returns:
        A dict, or `None` if there is no such file.

    Raises:
        ValueError: If the file is damaged or holds something else.

    Example:

    ```python
    import pathlib

    from keras_gpt3.converters.tokenizer_json_object import read_json_object

    read_json_object(pathlib.Path("tokenizer.json"))  # None
    ```
    """
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
    """Makes the error for a tokenizer's file that cannot be read.

    Args:
        path: path. The file.
        reason: string. What is wrong with it.

    Returns:
        A `ValueError`.

    Example:

    ```python
    from keras_gpt3.converters.tokenizer_json_object import damaged

    str(damaged("vocab.json", "no vocab"))  # "A tokenizer's file must be ..."
    ```
    """
    reason = " ".join(reason.split())
    return ValueError(
        "A tokenizer's file must be whole and in its format. Received: "
        f"file={echoed(str(path))} ({reason.rstrip('.')}). Download it again."
    )


def foreign(path, name, value, remedy="Use the tokenizer of a GPT-2"):
    """Makes the error for a setting that GPT-2's tokenizer does not have.

    Args:
        path: path. The file.
        name: string. The setting.
        value: object. Its value.
        remedy: string. What to do. Defaults to advice for most settings.

    Returns:
        A `ValueError`.

    Example:

    ```python
    from keras_gpt3.converters.tokenizer_json_object import foreign

    str(foreign("tokenizer.json", "model.dropout", 0.1))
    ```
    """
    return ValueError(
        "A checkpoint's tokenizer must split and join texts as GPT-2's does. "
        f"Received: file={echoed(str(path))}, {name}={value!r:.80}. {remedy}, "
        "or pass preprocessor=None and work on token ids."
    )
