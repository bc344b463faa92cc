"""Strings at which an answer ends, wherever the tokens' borders lie."""

from keras_gpt3.generation.prompt_messages import STOP_STRINGS


def check_stop_strings(stop):
    """Brings stop strings to a tuple."""
    strings = (stop,) if isinstance(stop, str) else stop
    if strings is None:
        strings = ()
    is_list = isinstance(strings, (list, tuple))
    if not is_list or not all(isinstance(s, str) and s for s in strings):
        raise ValueError(_printed(stop).join(STOP_STRINGS))
    return tuple(strings)


def cut_at_stop(text, stop):
    """A text up to the first place where a stop string begins."""
    found = [text.find(s) for s in stop]
    found = [index for index in found if index >= 0]
    return (text[: min(found)], True) if found else (text, False)


def held_back(text, stop):
    """How much of a text's end may turn out to begin a stop string."""
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
