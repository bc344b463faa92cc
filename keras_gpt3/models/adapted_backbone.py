"""A backbone's low-rank adapters, as methods."""

import keras_hub

from keras_gpt3.models.lora import enable_lora
from keras_gpt3.models.lora import lora_settings
from keras_gpt3.models.lora_files import load_lora_weights
from keras_gpt3.models.lora_files import save_lora_weights
from keras_gpt3.models.lora_merge import merge_lora


class AdaptedBackbone(keras_hub.models.Backbone):
    """A backbone that may be frozen and trained by adapters (Hu et al. 2021).

    Attributes:
        decoder_blocks: list of `DecoderBlock`.

    Example:

    ```python
    import keras_gpt3

    backbone = keras_gpt3.GPT3Backbone(
        vocabulary_size=100, num_layers=1, num_heads=2, hidden_dim=16,
        intermediate_dim=64, max_sequence_length=32,
    )
    backbone.enable_lora(rank=2)
    backbone.save_lora_weights("adapter.lora.h5")
    backbone.merge_lora()
    ```
    """

    @property
    def lora_settings(self):
        """A dict of what `enable_lora` was given; `None` without adapters."""
        return lora_settings(self)

    def default_lora_layer_names(self):
        """The layers that `enable_lora` adapts by default."""
        return ["query_key_value"]

    def enable_lora(self, rank, target_layer_names=None, lora_alpha=None):
        """Freezes the backbone and adds low-rank adapters to some layers.

        Hu et al. 2021. Only the adapters are trained.

        Args:
            rank: int. Rank of the adapters.
            target_layer_names: list of strings. Names of Dense sublayers of
                the blocks. Defaults to `None`: `["query_key_value"]`.
            lora_alpha: float. An adapter counts `lora_alpha / rank` times.
                Defaults to `None`, `rank`.

        Raises:
            ValueError: If a number is out of range, no layer has such a name,
                or there are adapters already.
        """
        enable_lora(self, rank, target_layer_names, lora_alpha)

    def merge_lora(self):
        """Adds the adapters to the kernels that they adapt, and removes them.

        Compile the model anew to train it further: all weights are trainable.

        Raises:
            ValueError: If there are no adapters, or a layer is quantized.
        """
        merge_lora(self)

    def save_lora_weights(self, filepath):
        """Writes the adapters, and nothing else, to a file.

        Args:
            filepath: string or path. It ends in `.lora.h5`.

        Raises:
            ValueError: If there are no adapters, or the path ends otherwise.
        """
        save_lora_weights(self, filepath)

    def load_lora_weights(self, filepath):
        """Reads adapters from a file; a backbone without any gets them first.

        Args:
            filepath: string or path, as `save_lora_weights` wrote it.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If it is damaged or made for another model.
        """
        load_lora_weights(self, filepath)
