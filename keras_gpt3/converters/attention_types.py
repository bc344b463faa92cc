"""GPT-Neo's layers: global and local in its config, dense and banded here."""

from keras_gpt3.converters.layer_pattern import kinds_of_layers
from keras_gpt3.converters.layer_pattern import shortest_pattern
from keras_gpt3.echoed_value import echoed

_OURS = {"global": "dense", "local": "banded"}
_THEIRS = {ours: theirs for theirs, ours in _OURS.items()}


def read_attention_pattern(attention_types, attention_layers, num_layers):
    """Reads GPT-Neo's two spellings of its layers."""
    layers = attention_layers
    if attention_types is not None:
        layers = _expand(attention_types, num_layers)
    if layers is None:
        raise ValueError(
            "config.json must hold attention_types. Received: "
            "attention_types=None, attention_layers=None. Add attention_types "
            "with the value of the model."
        )
    if attention_layers is not None and layers != attention_layers:
        raise ValueError(
            "attention_types and attention_layers in config.json must agree. "
            f"Received: attention_types={echoed(attention_types)}, "
            f"attention_layers={echoed(attention_layers)}. Remove the wrong "
            "one."
        )
    _check_layers(layers, num_layers)
    return shortest_pattern([_OURS[name] for name in layers])


def write_attention_types(arguments):
    """Writes the layers of a backbone as GPT-Neo's `attention_types`."""
    kinds = kinds_of_layers(arguments)
    pattern = shortest_pattern(kinds)
    whole, rest = divmod(len(kinds), len(pattern))
    if rest:
        pattern, whole = kinds, 1
    return [[[_THEIRS[kind] for kind in pattern], whole]]


def _expand(attention_types, num_layers):
    for item in attention_types:
        if not _is_repeated(item):
            raise ValueError(
                "attention_types in config.json must be pairs of a list of "
                "names and a number of repetitions. Received: attention_types="
                f"{echoed(attention_types)}. Write it as [[['global', "
                "'local'], 6]]."
            )
    # Counted first: a number may be absurd.
    lengths = [len(item[0]) * max(item[1], 0) for item in attention_types]
    _check_number(sum(lengths), num_layers)
    return [name for item in attention_types for name in item[0] * item[1]]


def _is_repeated(item):
    return (
        isinstance(item, list)
        and len(item) == 2
        and isinstance(item[0], list)
        and type(item[1]) is int
    )


def _check_layers(layers, num_layers):
    # Compared as lists: what is in them may be unhashable.
    unknown = [name for name in layers if name not in list(_OURS)]
    if unknown:
        raise ValueError(
            "A layer in attention_types must be 'global' or 'local'. Received: "
            f"{echoed(unknown[0])}. Other layers cannot be converted."
        )
    _check_number(len(layers), num_layers)


def _check_number(number, num_layers):
    if number != num_layers:
        raise ValueError(
            "attention_types in config.json must give num_layers layers. "
            f"Received: {number} layers, num_layers={num_layers}. Correct "
            "the one that is wrong."
        )
