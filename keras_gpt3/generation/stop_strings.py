"""Strings at which an answer ends, wherever the tokens' borders lie."""

from keras_gpt3.generation.prompt_messages import STOP_STRINGS


def check_stop_strings(stop):
    """Brings stop strings to a tuple.

    Args:
        stop: string, list or tuple of strings, or `None`.

    Returns:
        A tuple of strings.

    Raises:
        ValueError: If it is anything else, or a string is empty.

    Example:

    ```python
    from keras_gpt3.generation.stop_strings import check_stop_strings

    check_stop_strings("\\n")  # ("\\n",)
    ```
    """
    strings = (stop,) if isinstance(stop, str) else stop
    if strings is None:
        strings = ()
    is_list = isinstance(strings, (list, tuple))
    if not is_list or not all(isinstance(s, str) and s for s in strings):
        raise ValueError(_printed(stop).join(STOP_STRINGS))
    return tuple(strings)


def cut_at_stop(text, stop):
    """A text up to the first place where a stop string begins.

    Args:
        text: string or bytes.
        stop: tuple of the type of `text`.

    Returns:
        A pair of the text, without the stop string, and whether there was one.

    Example:

    ```python
    from keras_gpt3.generation.stop_strings import cut_at_stop

    cut_at_stop("yes.\\nQ: why", ("\\nQ:",))  # ("yes.", True)
    ```
    """
    found = [text.find(s) for s in stop]
    found = [index for index in found if index >= 0]
    return (text[: min(found)], True) if found else (text, False)


def held_back(text, stop):
    """How much of a text's end may turn out to begin a stop string.

    Args:
        text: string or bytes, without a whole stop string.
        stop: tuple of the type of `text`.

    Returns:
        An int: the length of the longest end of the text that a stop string
        starts with.

    Example:

    ```python
    from keras_gpt3.generation.stop_strings import held_back

    held_back("the end.\\n", ("\\nQ:",))  # 1
    ```
    """
    longest = 0
    for s in stop:
        for length in range(min(len(s) - 1, len(text)), longest, -1):
            if text.endswith(s[:length]):
                longest = length
                break
    return longest


def _printed(strings):
    """As a graph prints them: a list without quotes, on one line."""
    # Nothing would be left of empty ones, which no graph refuses.
    if not isinstance(strings, (list, tuple)) or not any(strings):
        return repr(strings)
    shown = (repr(s)[1:-1] if isinstance(s, str) else repr(s) for s in strings)
    return f"[{', '.join(shown)}]"
