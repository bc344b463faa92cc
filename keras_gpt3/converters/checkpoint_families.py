"""The families of checkpoints: GPT-2, GPT-Neo, OPT."""

from keras_gpt3.argument_checks import echoed
from keras_gpt3.converters.checkpoint_family import UNUSED_WINDOW
from keras_gpt3.converters.checkpoint_family import CheckpointFamily
from keras_gpt3.converters.checkpoint_family import complete_arguments
from keras_gpt3.converters.checkpoint_family import shortest_pattern
from keras_gpt3.converters.config_key import SUMMARY_KEYS
from keras_gpt3.converters.config_key import ConfigKey
from keras_gpt3.converters.folded_attention import folded_arguments
from keras_gpt3.layers.block_pattern import attention_kinds

_INVERSE_LAYER_SCALE = "scale_attn_by_inverse_layer_idx"


class _GPT2Like(CheckpointFamily):
    """What GPT-2 and GPT-Neo, which was written after it, have in common."""

    special_token_ids = {"bos_token_id": 50256, "eos_token_id": 50256}
    base_prefix = "transformer."
    block_prefix = "h.{}."
    # All but those of attention.
    shared_names = {
        "token_embedding/embeddings": "wte.weight",
        "position_embedding/table/embeddings": "wpe.weight",
        "attention_norm/gamma": "ln_1.weight",
        "attention_norm/beta": "ln_1.bias",
        "feed_forward_norm/gamma": "ln_2.weight",
        "feed_forward_norm/beta": "ln_2.bias",
        "feed_forward_intermediate/kernel": "mlp.c_fc.weight",
        "feed_forward_intermediate/bias": "mlp.c_fc.bias",
        "feed_forward_output/kernel": "mlp.c_proj.weight",
        "feed_forward_output/bias": "mlp.c_proj.bias",
        "final_norm/gamma": "ln_f.weight",
        "final_norm/beta": "ln_f.bias",
    }


class GPT2Family(_GPT2Like):
    """`model_type` `"gpt2"`: dense layers, one fused kernel of `(in, out)`."""

    model_type = "gpt2"
    architecture = "GPT2LMHeadModel"
    renamed_keys = {
        "vocabulary_size": ConfigKey("vocab_size", "size"),
        "num_layers": ConfigKey("n_layer", "size", alias="num_hidden_layers"),
        "num_heads": ConfigKey("n_head", "size", alias="num_attention_heads"),
        "hidden_dim": ConfigKey("n_embd", "size", alias="hidden_size"),
        "intermediate_dim": ConfigKey("n_inner", "optional size", None),
        # Of the three rates: the backbone's is on the residual branches.
        "dropout": ConfigKey("resid_pdrop", "number", 0.1),
        "max_sequence_length": ConfigKey(
            "n_positions", "size", alias="max_position_embeddings"
        ),
        "layer_norm_epsilon": ConfigKey("layer_norm_epsilon", "number", 1e-5),
        "activation": ConfigKey("activation_function", "text", "gelu_new"),
        "scale_by_inverse_layer_index": ConfigKey(
            _INVERSE_LAYER_SCALE, "flag", False
        ),
    }
    other_keys = (
        ConfigKey("scale_attn_weights", "flag", True),
        # The same product in another order, always in float32.
        ConfigKey("reorder_and_upcast_attn", "flag", False),
    )
    # n_ctx was the size of the mask; n_positions says what a model reads.
    harmless_keys = SUMMARY_KEYS | {"attn_pdrop", "embd_pdrop", "n_ctx"}
    constant_arguments = {
        "attention_pattern": ["dense"],
        "attention_window": UNUSED_WINDOW,
    }
    weight_names = _GPT2Like.shared_names | {
        "query_key_value/kernel": "attn.c_attn.weight",
        "query_key_value/bias": "attn.c_attn.bias",
        "attention_output/kernel": "attn.c_proj.weight",
        "attention_output/bias": "attn.c_proj.bias",
    }
    transposes_kernels = False
    ignored_names = r"h\.\d+\.attn\.(masked_)?bias"

    def read_switches(self, values, arguments):
        scaled = values["scale_attn_weights"]
        return {"attention_scale": None if scaled else 1.0}

    def write_switches(self, arguments):
        return {
            "attn_pdrop": 0.0,
            "embd_pdrop": arguments["dropout"],
            # transformers has no use for it; llama.cpp's converter reads it.
            "n_ctx": arguments["max_sequence_length"],
            "scale_attn_weights": arguments["attention_scale"] != 1.0,
        }


class GPTNeoFamily(_GPT2Like):
    """`model_type` `"gpt_neo"`: no scale, no biases of query, key, value."""

    model_type = "gpt_neo"
    architecture = "GPTNeoForCausalLM"
    takes_folded_weights = True
    renamed_keys = {
        "vocabulary_size": ConfigKey("vocab_size", "size"),
        "num_layers": ConfigKey(
            "num_layers", "size", alias="num_hidden_layers"
        ),
        "num_heads": ConfigKey(
            "num_heads", "size", alias="num_attention_heads"
        ),
        "hidden_dim": ConfigKey("hidden_size", "size"),
        "intermediate_dim": ConfigKey(
            "intermediate_size", "optional size", None
        ),
        # Of the three rates: the backbone's is on the residual branches.
        "dropout": ConfigKey("resid_dropout", "number", 0.0),
        "max_sequence_length": ConfigKey("max_position_embeddings", "size"),
        "layer_norm_epsilon": ConfigKey("layer_norm_epsilon", "number", 1e-5),
        "activation": ConfigKey("activation_function", "text", "gelu_new"),
    }
    other_keys = (
        ConfigKey("attention_types", "list", None),
        ConfigKey("attention_layers", "list", None),
        ConfigKey("window_size", "optional size", None),
    )
    harmless_keys = SUMMARY_KEYS | {
        "attention_dropout",
        "classifier_dropout",
        "embed_dropout",
    }
    constant_arguments = {"attention_scale": 1.0, "query_key_value_bias": False}
    weight_names = _GPT2Like.shared_names | {
        "query_key_value/kernel": tuple(
            f"attn.attention.{name}_proj.weight" for name in "qkv"
        ),
        "attention_output/kernel": "attn.attention.out_proj.weight",
        "attention_output/bias": "attn.attention.out_proj.bias",
    }
    ignored_names = r"h\.\d+\.attn\.(attention\.)?(masked_)?bias"

    def read_switches(self, values, arguments):
        pattern = read_attention_pattern(
            values["attention_types"],
            values["attention_layers"],
            arguments["num_layers"],
        )
        window = values["window_size"]
        if window is None and "banded" in pattern:
            raise ValueError(
                "config.json must hold window_size where layers are local. "
                "Received: window_size=None. Add window_size with the value "
                "of the model."
            )
        return {
            "attention_pattern": pattern,
            "attention_window": window or UNUSED_WINDOW,
        }

    def write_switches(self, arguments):
        return {
            "attention_dropout": 0.0,
            "attention_types": write_attention_types(arguments),
            "embed_dropout": arguments["dropout"],
            "window_size": arguments["attention_window"],
        }


def _query_key_value(kind):
    return tuple(f"self_attn.{name}_proj.{kind}" for name in "qkv")


class OPTFamily(CheckpointFamily):
    """`model_type` `"opt"`: positions skip padding, two rows further on."""

    model_type = "opt"
    architecture = "OPTForCausalLM"
    special_token_ids = {
        "bos_token_id": 2,
        "eos_token_id": 2,
        "pad_token_id": 1,
    }
    renamed_keys = {
        "vocabulary_size": ConfigKey("vocab_size", "size"),
        "num_layers": ConfigKey("num_hidden_layers", "size"),
        "num_heads": ConfigKey("num_attention_heads", "size"),
        "hidden_dim": ConfigKey("hidden_size", "size"),
        "intermediate_dim": ConfigKey("ffn_dim", "size"),
        "dropout": ConfigKey("dropout", "number", 0.1),
        "max_sequence_length": ConfigKey("max_position_embeddings", "size"),
        "activation": ConfigKey("activation_function", "text", "relu"),
        "use_bias": ConfigKey("enable_bias", "flag", True),
        "norm_first": ConfigKey("do_layer_norm_before", "flag", True),
        "layer_norm_affine": ConfigKey(
            "layer_norm_elementwise_affine", "flag", True
        ),
    }
    other_keys = (
        ConfigKey("_remove_final_layer_norm", "flag", False),
        ConfigKey("word_embed_proj_dim", "optional size", None),
    )
    harmless_keys = frozenset(
        ("activation_dropout", "attention_dropout", "init_std", "layerdrop")
    )
    # Galactica's configs hold these.
    required_values = {"learned_embeddings": True, "scale_embeddings": False}
    constant_arguments = {
        "attention_pattern": ["dense"],
        "attention_window": UNUSED_WINDOW,
        "layer_norm_epsilon": 1e-5,
        "position_offset": 2,
        "skip_padding_positions": True,
    }
    base_prefix = "model.decoder."
    other_prefixes = ("decoder.", "")
    block_prefix = "layers.{}."
    weight_names = {
        "token_embedding/embeddings": "embed_tokens.weight",
        "embedding_projection/kernel": "project_in.weight",
        "position_embedding/table/embeddings": "embed_positions.weight",
        "attention_norm/gamma": "self_attn_layer_norm.weight",
        "attention_norm/beta": "self_attn_layer_norm.bias",
        "query_key_value/kernel": _query_key_value("weight"),
        "query_key_value/bias": _query_key_value("bias"),
        "attention_output/kernel": "self_attn.out_proj.weight",
        "attention_output/bias": "self_attn.out_proj.bias",
        "feed_forward_norm/gamma": "final_layer_norm.weight",
        "feed_forward_norm/beta": "final_layer_norm.bias",
        "feed_forward_intermediate/kernel": "fc1.weight",
        "feed_forward_intermediate/bias": "fc1.bias",
        "feed_forward_output/kernel": "fc2.weight",
        "feed_forward_output/bias": "fc2.bias",
        "final_norm/gamma": "final_layer_norm.weight",
        "final_norm/beta": "final_layer_norm.bias",
        "output_projection/kernel": "project_out.weight",
    }
    # A number that the files of fairseq carry.
    ignored_names = "version"

    def read_switches(self, values, arguments):
        width = values["word_embed_proj_dim"]
        has_projections = width not in (None, arguments["hidden_dim"])
        removed = values["_remove_final_layer_norm"]
        return {
            "embedding_dim": width if has_projections else None,
            # Norms that follow their layers leave nothing to a final one.
            "use_final_norm": arguments["norm_first"] and not removed,
        }

    def write_switches(self, arguments):
        width = arguments["embedding_dim"] or arguments["hidden_dim"]
        removed = arguments["norm_first"] and not arguments["use_final_norm"]
        return {
            "_remove_final_layer_norm": removed,
            "attention_dropout": 0.0,
            "word_embed_proj_dim": width,
        }


# The order in which a family is sought for a backbone.
FAMILIES = {
    family.model_type: family
    for family in (GPT2Family(), GPTNeoFamily(), OPTFamily())
}


def family_of(config):
    """Find the family that a config.json names."""
    model_type = config.get("model_type")
    if model_type == "gpt_neox":
        raise ValueError(
            "A checkpoint must have GPT-3's positions and blocks. Received: "
            "model_type='gpt_neox' (GPT-NeoX, Pythia), with rotary positions, "
            "parallel branches and an output head of its own. Load it with "
            "transformers' GPTNeoXForCausalLM."
        )
    if not isinstance(model_type, str) or model_type not in FAMILIES:
        raise ValueError(
            f"model_type in config.json must be one of {sorted(FAMILIES)}. "
            f"Received: model_type={echoed(model_type)}. Only these have the "
            "shape of GPT-3."
        )
    return FAMILIES[model_type]


def family_for(arguments):
    """Find the first family that can express a backbone.

    Returns it and the arguments that it is to write: the backbone's own, or
    those of folded weights where no family has them as they are.
    """
    for family in FAMILIES.values():
        if not family.obstacles(arguments):
            return family, complete_arguments(arguments)
    folded = folded_arguments(arguments)
    in_the_way = []
    for family in FAMILIES.values():
        written = folded if family.takes_folded_weights else arguments
        obstacles = family.obstacles(written)
        if not obstacles:
            return family, written
        in_the_way.append(
            f"{family.model_type} has no {' or '.join(obstacles)}"
        )
    raise ValueError(
        "A backbone must be one that a class of transformers can compute. "
        f"Received: {'; '.join(in_the_way)}. Save it with save_to_preset."
    )


_ATTENTION_KINDS = {"global": "dense", "local": "banded"}
_GPT_NEO_NAMES = {kind: name for name, kind in _ATTENTION_KINDS.items()}


def read_attention_pattern(attention_types, attention_layers, num_layers):
    """Read GPT-Neo's two spellings of its layers."""
    layers = attention_layers
    if attention_types is not None:
        layers = _expand(attention_types, num_layers)
    if layers is None:
        raise ValueError(
            "config.json must hold attention_types. Received: "
            "attention_types=None, attention_layers=None. Add attention_types "
            "with the value of the model."
        )
    if attention_layers is not None and layers != attention_layers:
        raise ValueError(
            "attention_types and attention_layers in config.json must agree. "
            f"Received: attention_types={echoed(attention_types)}, "
            f"attention_layers={echoed(attention_layers)}. Remove the wrong "
            "one."
        )
    _check_layers(layers, num_layers)
    return shortest_pattern([_ATTENTION_KINDS[name] for name in layers])


def write_attention_types(arguments):
    """Write the layers of a backbone as GPT-Neo's `attention_types`."""
    kinds = attention_kinds(arguments)
    pattern = shortest_pattern(kinds)
    whole, rest = divmod(len(kinds), len(pattern))
    if rest:
        pattern, whole = kinds, 1
    return [[[_GPT_NEO_NAMES[kind] for kind in pattern], whole]]


def _expand(attention_types, num_layers):
    for item in attention_types:
        if not _is_repeated(item):
            raise ValueError(
                "attention_types in config.json must be pairs of a list of "
                "names and a number of repetitions. Received: attention_types="
                f"{echoed(attention_types)}. Write it as [[['global', "
                "'local'], 6]]."
            )
    # Counted first: a number may be absurd.
    lengths = [len(item[0]) * max(item[1], 0) for item in attention_types]
    _check_number(sum(lengths), num_layers)
    return [name for item in attention_types for name in item[0] * item[1]]


def _is_repeated(item):
    return (
        isinstance(item, list)
        and len(item) == 2
        and isinstance(item[0], list)
        and type(item[1]) is int
    )


def _check_layers(layers, num_layers):
    # Compared as lists: what is in them may be unhashable.
    unknown = [name for name in layers if name not in list(_ATTENTION_KINDS)]
    if unknown:
        raise ValueError(
            "A layer in attention_types must be 'global' or 'local'. Received: "
            f"{echoed(unknown[0])}. Other layers cannot be converted."
        )
    _check_number(len(layers), num_layers)


def _check_number(number, num_layers):
    if number != num_layers:
        raise ValueError(
            "attention_types in config.json must give num_layers layers. "
            f"Received: {number} layers, num_layers={num_layers}. Correct "
            "the one that is wrong."
        )
