"""Text as it comes: whole characters, and nothing of a stop string."""

import codecs

from keras_gpt3.generation.stop_strings import cut_at_stop
from keras_gpt3.generation.stop_strings import held_back


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
    pieces.feed(b"caf\\xc3")  # "caf"
    pieces.feed(b"\\xa9, or")  # "é, or"
    pieces.feed(b" tea\\nQ")  # " tea"
    pieces.stopped  # True
    ```
    """

    def __init__(self, stop=()):
        self.stopped = False
        self._stop = tuple(stop)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._waiting = ""

    def feed(self, new):
        """Takes in bytes.

        Args:
            new: bytes. Those of the next tokens.

        Returns:
            A string, what can be shown now; empty once a stop string was met.
        """
        return self._show(self._decoder.decode(new), is_end=False)

    def finish(self):
        """Says that no more bytes come.

        Returns:
            A string, what was held back; a character that was never completed
            is U+FFFD.
        """
        return self._show(self._decoder.decode(b"", final=True), is_end=True)

    def _show(self, text, is_end):
        if self.stopped:
            return ""
        text, self.stopped = cut_at_stop(self._waiting + text, self._stop)
        back = 0 if self.stopped or is_end else held_back(text, self._stop)
        shown = text[: len(text) - back]
        self._waiting = text[len(shown) :]
        return shown
