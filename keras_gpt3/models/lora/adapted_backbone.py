"""A backbone's low-rank adapters, as methods."""

import keras
import keras_hub
from keras import ops

from keras_gpt3.argument_checks import check_integer
from keras_gpt3.layers.quantized_layers import CALIBRATED_MODES
from keras_gpt3.models.lora.adapters import adaptable_layers
from keras_gpt3.models.lora.adapters import adapted_layers
from keras_gpt3.models.lora.adapters import adapter_names
from keras_gpt3.models.lora.adapters import adapter_parts
from keras_gpt3.models.lora.adapters import load_lora_weights
from keras_gpt3.models.lora.adapters import save_lora_weights


class AdaptedBackbone(keras_hub.models.Backbone):
    """A backbone that may be trained by adapters alone (Hu et al. 2021)."""

    @property
    def lora_settings(self):
        """A dict of what `enable_lora` was given; `None` without adapters."""
        layers = adapted_layers(self)
        if not layers:
            return None
        return {
            "rank": layers[0].lora_rank,
            "lora_alpha": layers[0].lora_alpha,
            "target_layer_names": sorted({layer.name for layer in layers}),
        }

    def default_lora_layer_names(self):
        """List the layers that `enable_lora` adapts by default.

        Returns:
            A list of names of sublayers of the blocks.
        """
        return ["query_key_value"]

    def enable_lora(self, rank, target_layer_names=None, lora_alpha=None):
        """Freeze the backbone and add low-rank adapters to some layers.

        Hu et al. 2021. Only the adapters are trained.

        Args:
            rank: int. Rank of the adapters.
            target_layer_names: list of strings. Names of Dense sublayers of
                the blocks. Defaults to `None`: `["query_key_value"]`.
            lora_alpha: float. An adapter counts `lora_alpha / rank` times.
                Defaults to `None`, `rank`.

        Raises:
            ValueError: If a number is out of range, no layer has such a name,
                one is quantized in mode gptq or awq, or there are adapters
                already.
        """
        check_integer("rank", rank, minimum=1)
        if lora_alpha is not None and not lora_alpha > 0:
            raise ValueError(
                "lora_alpha must be above 0. Received: "
                f"lora_alpha={lora_alpha}. Leave it out for the rank."
            )
        if target_layer_names is None:
            target_layer_names = self.default_lora_layer_names()
        names = list(target_layer_names)
        _check_names(self, names)
        _check_modes(self, names)
        _check_has_none(self)
        super().enable_lora(rank, names)
        layers = adapted_layers(self)
        for layer in layers:
            layer.lora_alpha = rank if lora_alpha is None else lora_alpha
        # Keras leaves the biases of adapted layers trainable, which a file of
        # the adapters would lack.
        parts = {id(part) for layer in layers for part in adapter_parts(layer)}
        for variable in self.trainable_variables:
            variable.trainable = id(variable) in parts

    def merge_lora(self):
        """Add the adapters to the kernels that they adapt, and remove them.

        Answers stay the same up to rounding. Compile the model anew to train
        it further: all weights are trainable.

        Raises:
            ValueError: If there are no adapters, or a layer is quantized.
        """
        layers = adapted_layers(self)
        if not layers:
            raise ValueError(
                "A backbone must have adapters to merge. Received: none. Call "
                "enable_lora and train them first."
            )
        for layer in layers:
            if layer.quantization_mode is not None:
                raise ValueError(
                    "An adapted layer must not be quantized to merge its "
                    f"adapter. Received: layer={layer.path} in "
                    f"{layer.quantization_mode}. Load the adapters into the "
                    "model as it was before, merge, then quantize."
                )
        for layer in layers:
            _merge(layer)
        self.trainable = True
        for layer in self._flatten_layers(include_self=False):
            layer.trainable = True
            # Keras does not hand that on to what was frozen by itself.
            for variable in layer._trainable_variables:
                variable.trainable = True

    def save_lora_weights(self, filepath):
        """Write the adapters, and nothing else, to a file.

        Args:
            filepath: string or path. It ends in `.lora.h5`.

        Raises:
            ValueError: If there are no adapters, or the path ends otherwise.
        """
        save_lora_weights(self, filepath)

    def load_lora_weights(self, filepath):
        """Read adapters from a file; a backbone without any gets them first.

        Args:
            filepath: string or path, as `save_lora_weights` wrote it.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If it is damaged or made for another model.
        """
        load_lora_weights(self, filepath)


def _merge(layer):
    names = adapter_names(layer)
    a, b = (ops.cast(part, "float32") for part in adapter_parts(layer))
    on_table = names[0] == "lora_embeddings_a"
    kernel = layer._embeddings if on_table else layer._kernel
    # Keras merges in the compute dtype, which rounds a float32 kernel.
    change = layer.lora_alpha / layer.lora_rank * ops.matmul(a, b)
    kernel.assign(ops.cast(kernel, "float32") + change)
    for name in names:
        layer._untrack_variable(getattr(layer, name))
        # Not `delattr`, for which Keras collects garbage each time.
        super(keras.layers.Layer, layer).__delattr__(name)
    layer.lora_enabled = False
    layer.lora_rank = layer.lora_alpha = None


def _check_names(backbone, names):
    known = {layer.name for layer in adaptable_layers(backbone)}
    # The parent freezes everything, adapts nothing and says nothing.
    if not names or not known.issuperset(names):
        raise ValueError(
            "target_layer_names must name layers of the backbone. "
            f"Received: target_layer_names={names}. Use some of "
            "'query_key_value', 'attention_output', "
            "'feed_forward_intermediate', 'feed_forward_output'."
        )


def _check_modes(backbone, names):
    for layer in adaptable_layers(backbone):
        mode = layer.quantization_mode
        # Keras refuses gptq, half done, and leaves adapters out of awq.
        if layer.name in names and mode in CALIBRATED_MODES:
            raise ValueError(
                "A layer must be in mode int8, int4 or not quantized to get "
                f"an adapter. Received: layer={layer.path} in {mode}. Train "
                "the adapters on the model as it was, merge, then quantize."
            )


def _check_has_none(backbone):
    layers = adapted_layers(backbone)
    if layers:
        raise ValueError(
            "A backbone must have no adapters before it gets some. Received: "
            f"{len(layers)} of rank={layers[0].lora_rank}. Call merge_lora "
            "first, or build the model anew."
        )
