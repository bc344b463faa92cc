"""A backbone's low-rank adapters, as methods."""

import keras
import keras_hub
from keras import ops

from keras_gpt3.models.lora.adapter_files import load_lora_weights
from keras_gpt3.models.lora.adapter_files import save_lora_weights
from keras_gpt3.models.lora.adapters import adapters
from keras_gpt3.models.lora.adapters import enable_lora
from keras_gpt3.models.lora.adapters import lora_settings


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


def merge_lora(backbone):
    """Makes a backbone with adapters an ordinary one.

    The kernels become the merged ones, in float32 arithmetic, the adapters
    vanish, and all weights can be trained again. Its answers stay the same up
    to rounding. A model must be compiled anew before it is trained on: its
    optimizer knew the adapters only.
    """
    present = adapters(backbone)
    if not present:
        raise ValueError(
            "A backbone must have adapters to merge. Received: none. Call "
            "enable_lora and train them first."
        )
    for adapter in present:
        if adapter.layer.quantization_mode is not None:
            raise ValueError(
                "An adapted layer must not be quantized to merge its adapter. "
                f"Received: layer={adapter.path} in "
                f"{adapter.layer.quantization_mode}. Load the adapters into "
                "the model as it was before, merge, then quantize."
            )
    for adapter in present:
        _merge(adapter)
    backbone.trainable = True
    for layer in backbone._flatten_layers(include_self=False):
        layer.trainable = True
        # Keras does not hand that on to what was frozen by itself.
        for variable in layer._trainable_variables:
            variable.trainable = True


def _merge(adapter):
    layer = adapter.layer
    a, b = adapter.parts
    on_table = adapter.names[0] == "lora_embeddings_a"
    kernel = layer._embeddings if on_table else layer._kernel
    # Keras merges in the compute dtype, which rounds a float32 kernel.
    product = ops.matmul(ops.cast(a, "float32"), ops.cast(b, "float32"))
    kernel.assign(ops.cast(kernel, "float32") + adapter.scale * product)
    for name, variable in zip(adapter.names, (a, b), strict=True):
        layer._untrack_variable(variable)
        # Not `delattr`, for which Keras collects garbage each time.
        super(keras.layers.Layer, layer).__delattr__(name)
    layer.lora_enabled = False
    layer.lora_rank = layer.lora_alpha = None
