"""Short text that any file can hold: ids, addresses, file names."""


def escaped_text(text):
    r"""Spells halves of surrogate pairs out.

    JSON can hold them in any string, and a file name that is no UTF-8 has them
    in Python; a file in UTF-8 cannot hold them.
    """
    return text.encode("utf-8", "backslashreplace").decode()
