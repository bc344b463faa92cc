"""Whether the name of a preset is one, before anything is loaded."""

import pathlib

from keras_gpt3 import preset_loader
from keras_gpt3.converters.checkpoint_folder import read_config_json
from keras_gpt3.converters.hub_handle import meant_handle
from keras_gpt3.echoed_value import echoed
from keras_gpt3.models.preset_files import check_configs

# keras-hub loads all but the first. It would take more for a file's address,
# and try to download it.
_SCHEMES = ("hf", "kaggle", "gs", "modelscope")
# What Keras saves models and weights to.
_MODEL_FILES = (".keras", ".h5")


def check_preset(preset):
    """Raises unless a preset is shipped, a handle, or a folder with a
    config.
    """
    if "://" in preset or preset_loader.is_shipped(preset):
        return
    config = pathlib.Path(preset) / "config.json"
    if not config.exists():
        if pathlib.Path(preset).is_dir():
            raise ValueError(
                "A preset folder must hold a config.json. Received: "
                f"preset={echoed(preset)}. Pass a folder that save_to_preset "
                "wrote."
            )
        if pathlib.Path(preset).is_file() or preset.endswith(_MODEL_FILES):
            raise ValueError(
                "preset must be a folder, or a name, and no file. Received: "
                f"preset={echoed(preset)}. Load the file with "
                "keras.saving.load_model, and write a folder with "
                "model.save_to_preset."
            )
        if "/" in preset or "\\" in preset:
            handle = meant_handle(preset)
            hint = f"{handle} for a model of the hub, " if handle else ""
            raise ValueError(
                "A preset folder must exist. Received: "
                f"preset={echoed(preset)}. Pass {hint}a folder that "
                "save_to_preset wrote, or a name of keras_gpt3.GPT3.presets."
            )
        preset_loader.load_shipped_preset(preset)  # Raises, with the names.
    content = read_config_json(preset)
    if not {"registered_name", "model_type"}.intersection(content):
        raise foreign_format(preset)
    if "registered_name" in content:
        check_configs(preset)


def foreign_format(preset):
    """Makes the error for a preset of another library."""
    return ValueError(
        "preset must be in Keras' or Hugging Face's format, with a "
        "registered_name or a model_type in its config.json. Received: "
        f"preset={echoed(preset)}. Pass a folder that save_to_preset or "
        "save_pretrained wrote."
    )


def check_scheme(preset):
    """Raises at an address that is no handle, and says which was meant."""
    scheme, mark, rest = preset.partition("://")
    if not mark or scheme in _SCHEMES:
        return
    remedy = "Pass hf://org/name for a model of Hugging Face's hub"
    if scheme.lower() in _SCHEMES:
        remedy = f"Pass {scheme.lower()}://{rest}"
    elif meant_handle(preset):
        remedy = f"Pass {meant_handle(preset)}"
    elif scheme.lower() == "file":
        remedy = "Pass the folder's path alone"
    known = ", ".join(f"{name}://" for name in _SCHEMES)
    raise ValueError(
        f"A handle must begin with one of {known}. Received: preset="
        f"{echoed(preset)}. {remedy}."
    )
