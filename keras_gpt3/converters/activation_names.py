"""The names of activations in a config.json, and ours."""

from keras_gpt3.echoed_value import echoed

# The names of one function differ in how they compute it. The first of each
# stands in the configs that are written.
_NAMES = {
    "gelu_approximate": (
        "gelu_new",
        "gelu_pytorch_tanh",
        "gelu_python_tanh",
        "gelu_accurate",
        "gelu_fast",
    ),
    "gelu": ("gelu", "gelu_python"),
    "relu": ("relu",),
    "silu": ("silu", "swish"),
    "tanh": ("tanh",),
    "quick_gelu": ("quick_gelu",),
    "relu_squared": ("relu2",),
}
_OURS = {name: ours for ours, names in _NAMES.items() for name in names}


def our_activation(name):
    """Looks up the activation that a config.json names."""
    if name not in _OURS:
        raise ValueError(
            f"activation_function must be one of {sorted(_OURS)}. Received: "
            f"activation_function={echoed(name)}. Convert a checkpoint with "
            "one of these."
        )
    return _OURS[name]


def their_activation(activation):
    """Looks up what a config.json calls an activation of ours."""
    if activation not in _NAMES:
        raise ValueError(
            f"activation must be one of {sorted(_NAMES)}. Received: "
            f"activation={echoed(activation)}. Export a model with one of "
            "these."
        )
    return _NAMES[activation][0]
