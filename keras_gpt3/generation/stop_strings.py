"""Strings at which an answer ends, wherever the tokens' borders lie."""

import codecs

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


class TextPieces:
    """Turns the bytes of tokens into pieces of text that can be shown.

    A token may end amid a character, and a stop string may begin amid a token:
    what is not decided yet is held back. The pieces together are the answer,
    up to the first stop string.

    Args:
        stop: tuple of strings that end the answer. Defaults to `()`.

    Example:

    ```python
    from keras_gpt3.generation import TextPieces

    pieces = TextPieces(stop=("\\n",))
    pieces.feed(b"ol\\xc3")  # "ol"
    pieces.feed(b"\\xa9, or")  # "é, or"
    pieces.feed(b" tea\\nQ")  # " tea"
    pieces.stopped  # True
    ```
    """

    def __init__(self, stop=()):
        self.stopped = False
        self._stop = tuple(string.encode() for string in stop)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._waiting = b""

    def feed(self, new):
        """Takes in bytes.

        Args:
            new: bytes. Those of the next tokens.

        Returns:
            A string, what can be shown now; empty once a stop string was met.
        """
        if self.stopped:
            return ""
        # As bytes: an exported graph compares them, too.
        found, self.stopped = cut_at_stop(self._waiting + new, self._stop)
        if self.stopped:
            return self._decoder.decode(found, final=True)
        shown = found[: len(found) - held_back(found, self._stop)]
        self._waiting = found[len(shown) :]
        return self._decoder.decode(shown)

    def finish(self):
        """Says that no more bytes come.

        Returns:
            A string, what was held back; a character that was never completed
            is U+FFFD.
        """
        waiting = b"" if self.stopped else self._waiting
        return self._decoder.decode(waiting, final=True)
