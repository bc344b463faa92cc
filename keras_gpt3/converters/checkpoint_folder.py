"""What makes a folder a checkpoint in Hugging Face's layout."""

import pathlib

from keras_gpt3.converters.json_file import read_json


def is_checkpoint_folder(folder):
    """Whether a folder's `config.json` is of that layout, not Keras' own."""
    try:
        config = read_config_json(folder)
    except (OSError, ValueError):
        return False
    return "model_type" in config and "registered_name" not in config


def read_config_json(folder):
    """Reads the `config.json` of a folder."""
    path = pathlib.Path(folder) / "config.json"
    try:
        config = read_json(path)
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"A checkpoint's folder must hold a config.json. Received: {folder}"
            ". Pass the folder that holds it."
        ) from error
    except ValueError as error:
        raise ValueError(
            f"config.json must be valid JSON. Received: {path} ({error}). "
            "Download or save it again."
        ) from error
    if not isinstance(config, dict):
        raise ValueError(
            "config.json must hold one object. Received: "
            f"{path} with {config!r:.50}. Download or save it again."
        )
    return config
