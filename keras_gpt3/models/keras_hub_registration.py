"""Makes the shipped presets known to keras-hub."""

# There is no public way to register presets of another package.
from keras_hub.src.utils.preset_utils import register_presets

from keras_gpt3 import preset_loader
from keras_gpt3.echoed_value import echoed
from keras_gpt3.models.backbone.gpt3_backbone import GPT3Backbone
from keras_gpt3.models.gpt3_preprocessor import GPT3Preprocessor
from keras_gpt3.models.gpt3_tokenizer import GPT3Tokenizer
from keras_gpt3.planning.parameter_count import count_parameters


class _ShippedPreset(dict):
    """The entry of a preset in keras-hub's registry.

    Its metadata has keras-hub's keys. Where keras-hub looks for the address
    to download from, this says what to call instead.
    """

    def __init__(self, name):
        preset = preset_loader.load_shipped_preset(name)
        metadata = {
            "description": preset["description"],
            "params": sum(count_parameters(preset["backbone"]).values()),
            "path": "gpt3",
        }
        super().__init__(metadata=metadata)
        self.name = name

    def __missing__(self, key):
        raise ValueError(
            "keras-hub must be given a preset that it can download. Received: "
            f"preset={echoed(self.name)}, which ships with keras_gpt3. Call "
            f"keras_gpt3.GPT3.from_preset({echoed(self.name)}) instead."
        )


def register_shipped_presets():
    """Register presets, and bind the preprocessing to the backbone.

    keras-hub finds the tokenizer and preprocessor of a saved folder by their
    `backbone_cls`.
    """
    GPT3Tokenizer.backbone_cls = GPT3Backbone
    GPT3Preprocessor.backbone_cls = GPT3Backbone
    names = preset_loader.shipped_presets()
    register_presets(
        {name: _ShippedPreset(name) for name in names}, GPT3Backbone
    )
