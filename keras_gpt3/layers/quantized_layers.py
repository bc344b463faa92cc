"""What a quantized layer is saved as, and what its numbers stand for."""

import contextlib
import contextvars
import warnings

import keras
from keras import dtype_policies
from keras import ops
from keras import quantizers

from keras_gpt3.argument_checks import echoed

# Their weights are chosen by what texts send through a layer.
CALIBRATED_MODES = ("gptq", "awq")


# The class has its parent's name: weight files call the layer by it.
@keras.saving.register_keras_serializable(package="keras_gpt3")
class Dense(keras.layers.Dense):
    """`keras.layers.Dense` that is saved in every mode of quantization.

    The parent leaves the zero points of gptq and awq out of a file, which it
    then cannot load. Arguments and results are the parent's.
    """

    def float_weights(self):
        """The kernel that its numbers stand for, `(in, out)`.

        `None` where no product with one kernel gives what the layer does.
        """
        mode = self.quantization_mode
        if mode == "float8" or rounds_inputs(self) or self.lora_enabled:
            return None
        if mode is None:
            return self.kernel
        if mode not in CALIBRATED_MODES:
            return dequantize(self, "kernel")
        if not getattr(self, f"is_{mode}_calibrated"):
            return None
        codes, is_packed = self.quantized_kernel, True
        if mode == "gptq":
            is_packed = self.dtype_policy.weight_bits == 4
        if is_packed:
            codes = quantizers.unpack_int4(
                codes, self.units, axis=0, dtype="uint8"
            )
        # Turned round as integers: of floats XLA makes a product by columns,
        # which took 3.2 ms where this takes 0.1 (768 x 3072, two cores).
        kernel = by_groups(
            ops.transpose(codes),
            ops.transpose(self.kernel_scale),
            ops.transpose(self.kernel_zero),
            self.g_idx,
            axis=0,
        )
        if mode == "awq":
            kernel = kernel / ops.expand_dims(self.awq_scales, -1)
        return kernel

    def quantize(self, mode=None, type_check=True, config=None):
        # The parent refuses its subclasses.
        super().quantize(mode, type_check=False, config=config)

    def build(self, input_shape):
        super().build(input_shape)
        if self.quantization_mode in CALIBRATED_MODES:
            # Built by its policy alone, it has no kernel to calibrate.
            setattr(self, f"is_{self.quantization_mode}_calibrated", True)

    def save_own_variables(self, store):
        mode = self.quantization_mode
        if mode not in CALIBRATED_MODES:
            return super().save_own_variables(store)
        if not getattr(self, f"is_{mode}_calibrated"):
            raise ValueError(
                f"A kernel in mode {mode} must be calibrated to be saved. "
                f"Received: {self.path}, which is not. Quantize the model, "
                "not the layer by itself."
            )
        names = self.variable_serialization_spec[mode]
        variables = [getattr(self, name) for name in names]
        present = (v for v in variables if v is not None)  # A bias may be none.
        for index, variable in enumerate(present):
            store[str(index)] = variable


def rounds_inputs(layer):
    """Whether a quantized layer rounds what reaches it as well."""
    return getattr(layer, "inputs_quantizer", None) is not None


def dequantize(layer, name, rows=None):
    """What the int8 or int4 numbers of a kernel or table stand for.

    With `rows`, ids of rows of a table, those alone.
    """
    codes, scale = getattr(layer, f"_{name}"), getattr(layer, f"{name}_scale")
    zero = getattr(layer, f"{name}_zero", None)
    if rows is not None:
        codes, scale = (ops.take(x, rows, axis=0) for x in (codes, scale))
        zero = None if zero is None else ops.take(zero, rows, axis=0)
    if layer.quantization_mode == "int4":
        width = layer._orig_output_dim
        codes = quantizers.unpack_int4(codes, width, axis=-1)
    # A kernel has a scale for each column, a table for each row.
    axis = 0 if name == "kernel" else -1
    if zero is None:
        scale = ops.expand_dims(ops.cast(scale, "float32"), axis)
        return ops.cast(codes, "float32") / scale
    return by_groups(codes, scale, zero, layer.g_idx, axis)


def by_groups(codes, scale, zero, groups, axis):
    """Floats of numbers whose groups along an axis have their own scales."""
    groups = ops.cast(groups, "int32")
    zero = ops.take(ops.cast(zero, "float32"), groups, axis=axis)
    scale = ops.take(ops.cast(scale, "float32"), groups, axis=axis)
    return (ops.cast(codes, "float32") - zero) * scale


_floats = contextvars.ContextVar("floats_of_layers", default=None)


@contextlib.contextmanager
def floats_made_once(layers):
    """Make floats of quantized weights here, not at each use in this block.

    For a loop over tokens by TensorFlow's own operations, which would do so
    at each of them; XLA takes it out of its loop by itself. The floats take
    memory for as long as the loop runs.
    """
    made = {}
    for layer in layers:
        floats = layer.float_weights() if layer.quantization_mode else None
        if floats is not None:
            made[id(layer)] = ops.cast(floats, layer.compute_dtype)
    before = _floats.set(made)
    try:
        yield
    finally:
        _floats.reset(before)


def floats_made(layer):
    """A layer's floats in a block of `floats_made_once`; else `None`."""
    return (_floats.get() or {}).get(id(layer))


@keras.saving.register_keras_serializable(package="keras_gpt3")
class QuantizedPolicyMap(dtype_policies.DTypePolicyMap):
    """The policies of layers by path, and how they were quantized.

    A policy does not say whether a layer rounds what reaches it, as "int8"
    does and weights alone do not, and Keras' defaults for that differ between
    `quantize` and a layer that is built of a policy.
    """

    def __init__(self, default_policy=None, policy_map=None, configs=None):
        super().__init__(default_policy, policy_map)
        self.configs = configs or {}

    def get_config(self):
        serialize = keras.saving.serialize_keras_object
        configs = {path: serialize(x) for path, x in self.configs.items()}
        return super().get_config() | {"configs": configs}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        restored = {
            path: keras.saving.deserialize_keras_object(x, custom_objects)
            for path, x in config["configs"].items()
        }
        for path, x in restored.items():
            if not isinstance(x, keras.quantizers.QuantizationConfig):
                raise TypeError(
                    "configs must be configs of a quantization. Received: "
                    f"configs[{echoed(path)}]={echoed(x)}. Use what get_config "
                    "gave."
                )
        return super().from_config(config | {"configs": restored})


def quantized_policy(layer):
    """The policy that builds a layer or a model with sublayers as they are."""
    policy = layer.dtype_policy
    is_map = isinstance(policy, dtype_policies.DTypePolicyMap)
    quantized = {
        sublayer.path: sublayer
        for sublayer in layer._flatten_layers(include_self=False)
        if hasattr(sublayer, "quantization_config")
        and sublayer.quantization_mode is not None
    }
    if not quantized:
        return policy
    policies = dict(policy) if is_map else {}
    policies |= {path: x.dtype_policy for path, x in quantized.items()}
    # A name: without, Keras would take the policy of whoever loads the map.
    default = (policy.default_policy if is_map else policy).name
    configs = {
        path: sublayer.quantization_config
        for path, sublayer in quantized.items()
        # Policies of the other modes say all, and their configs hold texts.
        if sublayer.quantization_mode not in CALIBRATED_MODES
        and sublayer.quantization_config is not None
    }
    return QuantizedPolicyMap(default, policies, configs)


def quantized_as(dtype, path):
    """The arguments by which a layer is built as it was saved.

    A quantized model that is loaded has a map of policies, which Keras gives
    to each layer as a whole. Such a layer neither saves its weights again nor
    computes with them as they are stored: both look at the map's default.
    """
    if not isinstance(dtype, dtype_policies.DTypePolicyMap):
        return {"dtype": dtype}
    configs = getattr(dtype, "configs", {})
    return {"dtype": dtype[path], "quantization_config": configs.get(path)}


@contextlib.contextmanager
def tables_left_alone(mode, filters):
    """Hears no warning of tables in modes that are for kernels alone.

    Keras' is about an invalid mode, as if the call were wrong. With filters it
    stays: a table may have been asked for.
    """
    with warnings.catch_warnings():
        if mode in (*CALIBRATED_MODES, "float8") and filters is None:
            warnings.filterwarnings("ignore", "Invalid quantization mode")
        yield
