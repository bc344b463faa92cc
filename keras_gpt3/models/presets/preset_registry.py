"""The names that `from_preset` takes, as keras-hub lists and looks them up."""

import functools

from keras_hub.src.utils.preset_utils import BUILTIN_PRESETS
from keras_hub.src.utils.preset_utils import builtin_presets
from keras_hub.src.utils.preset_utils import register_presets
from keras_hub.src.utils.python_utils import classproperty

from keras_gpt3 import preset_loader
from keras_gpt3.argument_checks import echoed
from keras_gpt3.planning.parameter_count import count_parameters


class _Preset(dict):
    """The entry of a preset in keras-hub's registry.

    Its metadata has keras-hub's keys, and for a checkpoint more. Where
    keras-hub looks for the address to download from, this says what to call
    instead.
    """

    def __init__(self, name, metadata):
        super().__init__(metadata=metadata | {"path": "gpt3"})
        self.name = name

    def __missing__(self, key):
        raise ValueError(
            "keras-hub must be given a preset that it can download. Received: "
            f"preset={echoed(self.name)}, which keras_gpt3 loads. Call "
            f"keras_gpt3.GPT3.from_preset({echoed(self.name)}) instead."
        )


def register_with_keras_hub(backbone_cls, *preprocessing):
    """Register our presets, and bind the preprocessing to the backbone.

    keras-hub finds the tokenizer and preprocessor of a saved folder by their
    `backbone_cls`. A name that is keras-hub's own as well, such as
    gpt2_base_en, keeps its meaning there: there is one registry for all
    classes, in which a second entry would replace the first.
    """
    for cls in preprocessing:
        cls.backbone_cls = backbone_cls
    ours = {n: p for n, p in _presets().items() if n not in BUILTIN_PRESETS}
    register_presets(ours, backbone_cls)


@classproperty
def known_presets(cls):
    """A class's presets: also those whose names keras-hub has as well."""
    return _presets() | builtin_presets(cls)


@functools.cache
def _presets():
    """All by name, those of the paper first."""
    metadata = {}
    for name, description in preset_loader.shipped_presets().items():
        backbone = preset_loader.load_shipped_preset(name)["backbone"]
        metadata[name] = {
            "description": description,
            "params": sum(count_parameters(backbone).values()),
        }
    for name, known in preset_loader.trained_presets().items():
        metadata[name] = {
            "description": known["description"],
            "params": known["parameters"],
            "licence": known["licence"],
        }
    for name, description in preset_loader.named_checkpoints().items():
        known = preset_loader.load_named_checkpoint(name)
        metadata[name] = {
            "description": description,
            "params": known["parameters"],
            "licence": known["licence"],
            "repository": known["repository"],
        }
    return {name: _Preset(name, entry) for name, entry in metadata.items()}
