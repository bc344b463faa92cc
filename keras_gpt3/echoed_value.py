"""Values and texts as an error shows them: long ones are cut."""

import reprlib

# More does not help to find the fault, and fills a terminal or a log.
LIMIT = 200


def echoed(value):
    """Return the `repr` of a value, of at most 200 characters.

    What is cut away is not made: a text of gigabytes costs nothing.
    """
    try:
        text = _REPR.repr(value)
    except ValueError:
        # Python does not write an int of over 4300 digits.
        text = f"a number of {value.bit_length()} bits"
    return cut_text(text)


def cut_text(text, limit=LIMIT):
    """Cut the middle out of a text that is too long."""
    if len(text) <= limit:
        return text
    start = (limit - 3) // 2
    return f"{text[:start]}...{text[start + 3 - limit :]}"


class _Repr(reprlib.Repr):
    """The standard library's, with room for what people write in configs."""

    def __init__(self):
        super().__init__()
        self.maxstring = self.maxother = self.maxlong = LIMIT
        self.maxdict = self.maxlist = self.maxtuple = self.maxset = 50


_REPR = _Repr()
