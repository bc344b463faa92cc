"""Short text that any file can hold: ids, addresses, file names."""


def escaped_text(text):
    r"""Spells halves of surrogate pairs out.

    JSON can hold them in any string, and a file name that is no UTF-8 has them
    in Python; a file in UTF-8 cannot hold them.

    Args:
        text: string.

    Returns:
        A string that can be encoded.

    Example:

    ```python
    from keras_gpt3.corpus.readers.escaped_text import escaped_text

    escaped_text("menu\udce9.txt")  # "menu\\udce9.txt"
    ```
    """
    return text.encode("utf-8", "backslashreplace").decode()
