"""What a quantized layer is saved as, so that it comes back bit for bit."""

import contextlib
import warnings

import keras
from keras import dtype_policies

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
                    f"configs[{path!r}]={echoed(x)}. Use what get_config gave."
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
