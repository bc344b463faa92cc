"""The id of a record: its own, or where it stands."""

from keras_gpt3.corpus.readers.escaped_text import escaped_text


def record_id(own, source, where):
    """Names a record."""
    if isinstance(own, int) and not isinstance(own, bool):
        return str(own)
    if isinstance(own, str) and own:
        return escaped_text(own)
    return f"{source}/{where}"
