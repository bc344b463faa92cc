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
