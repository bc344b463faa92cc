"""OPT's checkpoints, OPT-350m's with its norms elsewhere among them."""

from keras_gpt3.converters.checkpoint_family import CheckpointFamily
from keras_gpt3.converters.complete_arguments import UNUSED_WINDOW
from keras_gpt3.converters.config_key import ConfigKey


def _query_key_value(kind):
    return tuple(f"self_attn.{name}_proj.{kind}" for name in "qkv")


class OPTFamily(CheckpointFamily):
    """`model_type` `"opt"`: positions that skip padding, two rows
    further on.
    """

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
