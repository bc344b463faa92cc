"""What the families of checkpoints share: tables read in both directions."""

import re

import numpy as np

from keras_gpt3.argument_checks import echoed
from keras_gpt3.converters.config_key import HARMLESS_KEYS
from keras_gpt3.converters.config_key import REQUIRED_VALUES
from keras_gpt3.converters.name_match import WeightRule
from keras_gpt3.converters.weight_shapes import weight_shapes
from keras_gpt3.layers.block_pattern import attention_kinds
from keras_gpt3.preset_loader import VARIANT_DEFAULTS

# Arguments that say nothing more where the first cannot be expressed.
_PARTS = {
    "attention_pattern": "attention_window",
    "use_bias": "query_key_value_bias",
}


class CheckpointFamily:
    """A `model_type` of transformers: its config's keys and tensors' names.

    The families' own files fill in the tables and the two methods that read
    and write the switches. A config is written by `config` and read again by
    `backbone_arguments`: what does not come back cannot be expressed.
    """

    model_type = None
    # The class in transformers.
    architecture = None
    # The class's own, which a config.json may leave out.
    special_token_ids = {}
    # Backbone arguments -> `ConfigKey`, for values that are the same in both.
    renamed_keys = {}
    # `ConfigKey`s of the values that `read_switches` gets.
    other_keys = ()
    harmless_keys = frozenset()
    # Keys that may have one value only.
    required_values = {}
    # Arguments that are the same in every model of the family.
    constant_arguments = {}
    # Whether a backbone may be written as `folded_attention` makes it.
    takes_folded_weights = False
    # Before every tensor's name but the head's, as transformers writes it, and
    # as other files have it.
    base_prefix = None
    other_prefixes = ("",)
    # A format string for what stands before the names of a block.
    block_prefix = None
    # Paths of weights -> names of tensors; those of blocks without prefix.
    weight_names = {}
    # Whether kernels are (out, in).
    transposes_kernels = True
    # A regular expression: tensors that are not weights.
    ignored_names = None
    tied_head = "lm_head.weight"

    def backbone_arguments(self, config):
        """Read the arguments of a backbone from a config.json."""
        keys = [*self.renamed_keys.values(), *self.other_keys]
        values = read_config_values(
            config, keys, self.harmless_keys, self.required_values
        )
        arguments = {
            argument: values.pop(key.name)
            for argument, key in self.renamed_keys.items()
        }
        arguments["activation"] = keras_activation(arguments["activation"])
        if arguments["intermediate_dim"] is None:
            arguments["intermediate_dim"] = 4 * arguments["hidden_dim"]
        arguments |= self.constant_arguments
        switches = self.read_switches(values, arguments)
        return complete_arguments(arguments | switches)

    def config(
        self,
        arguments,
        dtype="float32",
        bos_token_id=None,
        eos_token_id=None,
        pad_token_id=None,
    ):
        """Write the config.json of a backbone."""
        arguments = complete_arguments(arguments)
        config = self._write_config(arguments)
        in_the_way = self._lost_arguments(config, arguments)
        if in_the_way:
            raise ValueError(
                "A backbone must be one that transformers' "
                f"{self.architecture} can compute. Received: "
                f"{', '.join(in_the_way)}. Save it with save_to_preset."
            )
        # Also where they are null: their defaults are the families' own ids.
        return config | {
            "torch_dtype": dtype,
            "bos_token_id": bos_token_id,
            "eos_token_id": eos_token_id,
            "pad_token_id": pad_token_id,
        }

    def obstacles(self, arguments):
        """What keeps the family from expressing a backbone."""
        arguments = complete_arguments(arguments)
        return self._lost_arguments(self._write_config(arguments), arguments)

    def weight_rules(self, arguments):
        """Where each weight of a backbone stands."""
        arguments = complete_arguments(arguments)
        heads = arguments["num_heads"]
        shapes = weight_shapes(arguments)
        return [self._rule(*item, heads) for item in shapes.items()]

    def is_ignored(self, name):
        """Whether a tensor is a mask that older files hold."""
        return re.fullmatch(self.ignored_names, name) is not None

    def read_switches(self, values, arguments):
        """Turn the values of `other_keys` into backbone arguments."""
        raise NotImplementedError

    def write_switches(self, arguments):
        """Turn backbone arguments into the values of `other_keys`."""
        raise NotImplementedError

    def _write_config(self, arguments):
        config = {
            "architectures": [self.architecture],
            "model_type": self.model_type,
            "tie_word_embeddings": True,
        }
        for argument, key in self.renamed_keys.items():
            config[key.name] = arguments[argument]
        activation = checkpoint_activation(arguments["activation"])
        config[self.renamed_keys["activation"].name] = activation
        return config | self.write_switches(arguments)

    def _lost_arguments(self, config, arguments):
        """What comes back otherwise when the config is read again."""
        wanted = comparable_arguments(arguments)
        got = comparable_arguments(self.backbone_arguments(config))
        lost = {k for k in wanted if k not in got or wanted[k] != got[k]}
        for name, part in _PARTS.items():
            if name in lost:
                lost.discard(part)
        return [f"{k}={arguments[k]!r}" for k in arguments if k in lost]

    def _rule(self, path, shape, num_heads):
        prefix, part = "", path
        if path.startswith("decoder_block_"):
            block, _, part = path.partition("/")
            index = block.removeprefix("decoder_block_")
            prefix = self.block_prefix.format(index)
        names = self.weight_names[part]
        names = (names,) if isinstance(names, str) else names
        transposed = self.transposes_kernels and part.endswith("/kernel")
        names = tuple(prefix + name for name in names)
        # A kernel's columns go by head; a checkpoint's are all queries, all
        # keys, all values.
        heads = num_heads if part.startswith("query_key_value/") else 1
        return WeightRule(path, names, transposed, shape, heads)


# The names of one function differ in how they compute it. The first of each
# stands in the configs that are written.
_CHECKPOINT_NAMES = {
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
_KERAS_NAMES = {
    name: keras_name
    for keras_name, names in _CHECKPOINT_NAMES.items()
    for name in names
}


def keras_activation(name):
    """Look up the activation that a config.json names."""
    if name not in _KERAS_NAMES:
        raise ValueError(
            f"activation_function must be one of {sorted(_KERAS_NAMES)}. "
            f"Received: activation_function={echoed(name)}. Convert a "
            "checkpoint with one of these."
        )
    return _KERAS_NAMES[name]


def checkpoint_activation(activation):
    """Look up what a config.json calls an activation."""
    if activation not in _CHECKPOINT_NAMES:
        raise ValueError(
            f"activation must be one of {sorted(_CHECKPOINT_NAMES)}. Received: "
            f"activation={echoed(activation)}. Export a model with one of "
            "these."
        )
    return _CHECKPOINT_NAMES[activation][0]


def read_config_values(config, keys, harmless=(), required=None):
    """Read the values that say what a model computes."""
    required = REQUIRED_VALUES | (required or {})
    for name, value in required.items():
        _check_required(config, name, value)
    known = HARMLESS_KEYS.union(harmless, required)
    known = known.union(*(key.names for key in keys))
    unknown = [name for name in config if name not in known]
    if unknown:
        name = unknown[0]
        raise ValueError(
            "Every key of config.json must be known. Received: "
            f"{name}={echoed(config[name])} (model_type="
            f"{echoed(config.get('model_type'))}). Remove {name} from "
            "config.json if it does not change what the model computes."
        )
    return {key.name: key.read(config) for key in keys}


def _check_required(config, name, value):
    received = config.get(name, value)
    if value is None:
        allowed = received in (None, {}, [])
    else:
        allowed = received is value
    if not allowed:
        asked = "empty or not there" if value is None else str(value).lower()
        raise ValueError(
            f"{name} in config.json must be {asked}. Received: "
            f"{name}={echoed(received)}. Such a model computes something else "
            "and cannot be converted."
        )


# Not seen where no layer is banded; that of GPT-3.
UNUSED_WINDOW = 256
_NOT_ARITHMETIC = ("name", "trainable", "dtype")


def complete_arguments(arguments):
    """Fill in the switches that a dict of arguments leaves out."""
    given = {k: v for k, v in arguments.items() if k not in _NOT_ARITHMETIC}
    return given | {k: given.get(k, v) for k, v in VARIANT_DEFAULTS.items()}


def comparable_arguments(arguments):
    """Give two backbones that compute the same the same arguments."""
    head_dim = arguments["hidden_dim"] // arguments["num_heads"]
    scale = arguments["attention_scale"]
    scale = head_dim**-0.5 if scale is None else scale
    pattern = _shortest_pattern(arguments)
    banded = "banded" in pattern
    has_projections = arguments["embedding_dim"] != arguments["hidden_dim"]
    return arguments | {
        "attention_pattern": pattern,
        "attention_window": arguments["attention_window"] if banded else None,
        "embedding_dim": (
            arguments["embedding_dim"] if has_projections else None
        ),
        # In float32 another way to take the root makes no difference.
        "attention_scale": float(np.float32(scale)),
        "query_key_value_bias": (
            arguments["use_bias"] and arguments["query_key_value_bias"]
        ),
    }


def _shortest_pattern(arguments):
    sees_all = arguments["attention_window"] >= arguments["max_sequence_length"]
    kinds = attention_kinds(arguments)
    return shortest_pattern(["dense"] * len(kinds) if sees_all else kinds)


def shortest_pattern(kinds):
    """The shortest pattern that gives these layers when it is repeated."""
    return next(
        list(kinds[:n])
        for n in range(1, len(kinds) + 1)
        if all(kind == kinds[i % n] for i, kind in enumerate(kinds))
    )
