"""Strings at which an answer ends, wherever tokens begin and end."""

import codecs

from keras_gpt3.generation.prompt_messages import STOP_STRINGS


def check_stop_strings(stop):
    """Bring stop strings to a tuple."""
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
    """The length of the text's end that may be the start of a stop string."""
    longest = 0
    for s in stop:
        for length in range(min(len(s) - 1, len(text)), longest, -1):
            if text.endswith(s[:length]):
                longest = length
                break
    return longest


def _printed(strings):
    """As a graph prints them: a list without quotes, on one line."""
    # Nothing would be left of empty ones, which no graph rejects.
    if not isinstance(strings, (list, tuple)) or not any(strings):
        return repr(strings)
    shown = (repr(s)[1:-1] if isinstance(s, str) else repr(s) for s in strings)
    return f"[{', '.join(shown)}]"


class TextPieces:
    """The pieces of an answer that can be shown, of the bytes of tokens.

    A token may end in the middle of a multi-byte character, and a stop string
    may begin in the middle of a token: what is not decided yet is held back.
    The concatenated pieces are the answer, up to the first stop string.

    Args:
        stop: tuple of strings. What ends the answer. Defaults to `()`.

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
        """Add the bytes of the next tokens.

        Args:
            new: bytes. Whole tokens, not whole characters.

        Returns:
            A string, what can be shown now; empty after a stop string.
        """
        if self.stopped:
            return ""
        # As bytes, as an exported graph compares them.
        found, self.stopped = cut_at_stop(self._waiting + new, self._stop)
        if self.stopped:
            return self._decoder.decode(found, final=True)
        shown = found[: len(found) - held_back(found, self._stop)]
        self._waiting = found[len(shown) :]
        return self._decoder.decode(shown)

    def finish(self):
        """End the text.

        Returns:
            A string, what was held back; an incomplete character is U+FFFD.
        """
        waiting = b"" if self.stopped else self._waiting
        return self._decoder.decode(waiting, final=True)
