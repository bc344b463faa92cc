"""Strict reading of a config.json: every key is known, every value allowed."""

from keras_gpt3.converters.known_flags import HARMLESS_KEYS
from keras_gpt3.converters.known_flags import REQUIRED_VALUES
from keras_gpt3.echoed_value import echoed


def read_config_values(config, keys, harmless=(), required=None):
    """Reads the values that say what a model computes."""
    required = REQUIRED_VALUES | (required or {})
    for name, value in required.items():
        _check_required(config, name, value)
    known = HARMLESS_KEYS.union(harmless, required)
    known = known.union(*(key.names for key in keys))
    unknown = [name for name in config if name not in known]
    if unknown:
        name = unknown[0]
        raise ValueError(
            "Every key of config.json must be known. Received: "
            f"{name}={echoed(config[name])} (model_type="
            f"{echoed(config.get('model_type'))}). Remove {name} from "
            "config.json if it does not change what the model computes."
        )
    return {key.name: key.read(config) for key in keys}


def _check_required(config, name, value):
    received = config.get(name, value)
    if value is None:
        allowed = received in (None, {}, [])
    else:
        allowed = received is value
    if not allowed:
        asked = "empty or not there" if value is None else str(value).lower()
        raise ValueError(
            f"{name} in config.json must be {asked}. Received: "
            f"{name}={echoed(received)}. Such a model computes something else "
            "and cannot be converted."
        )
