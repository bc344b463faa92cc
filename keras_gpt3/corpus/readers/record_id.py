"""The id of a record: its own, or where it stands."""

from keras_gpt3.corpus.readers.escaped_text import escaped_text


def record_id(own, source, where):
    """Names a record.

    Args:
        own: what the record has for an id, or `None`.
        source: string. The data set that it is of.
        where: string. Where it stands: `"a.jsonl:3"`.

    Returns:
        A string: the record's own id where it is a string that is not empty,
        or an int; else source and place.

    Example:

    ```python
    from keras_gpt3.corpus.readers.record_id import record_id

    record_id(None, "novels", "a.jsonl:3")  # "novels/a.jsonl:3"
    ```
    """
    if isinstance(own, int) and not isinstance(own, bool):
        return str(own)
    if isinstance(own, str) and own:
        return escaped_text(own)
    return f"{source}/{where}"
