"""Brings what users pass to a tokenizer, tensors included, to Python lists."""

from keras_gpt3.tokenization.text_check import INVALID_UTF8


def to_texts(inputs):
    """Brings strings in any form to a list of strings."""
    inputs = _to_list(inputs)
    batched = isinstance(inputs, (list, tuple))
    return [_to_text(x) for x in (inputs if batched else [inputs])], batched


def _to_text(item):
    """Reads one string."""
    item = _to_list(item)
    if isinstance(item, bytes):
        try:
            return item.decode()
        except UnicodeDecodeError as error:
            byte = f"0x{item[error.start]:02X}"
            received = f"an invalid byte {byte} at position {error.start}"
            raise ValueError(received.join(INVALID_UTF8)) from None
    if not isinstance(item, str):
        raise ValueError(
            "`inputs` must be a string or a flat list of strings. Received: "
            f"inputs with {item!r:.50} ({type(item).__name__}). Pass one text "
            "or a list of texts."
        )
    return item


def to_id_sequences(inputs):
    """Brings token ids in any form to a list of lists of int."""
    inputs = _to_list(inputs)
    if not isinstance(inputs, (list, tuple)):
        return [[inputs]], False
    items = [_to_list(item) for item in inputs]
    batched = bool(items) and isinstance(items[0], (list, tuple))
    return (items if batched else [items]), batched


def _to_list(values):
    """Takes an array or an eager tensor apart; leaves the rest as it is."""
    if hasattr(values, "numpy"):
        values = values.numpy()
    return values.tolist() if hasattr(values, "tolist") else values
