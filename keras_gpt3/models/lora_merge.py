"""Adds adapters to the kernels that they adapt, and removes them."""

import keras
from keras import ops

from keras_gpt3.models.lora import adapters


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
