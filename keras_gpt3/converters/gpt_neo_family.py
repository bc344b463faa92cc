"""GPT-Neo's checkpoints: global and local layers, scores as they are."""

from keras_gpt3.converters.attention_types import read_attention_pattern
from keras_gpt3.converters.attention_types import write_attention_types
from keras_gpt3.converters.checkpoint_family import CheckpointFamily
from keras_gpt3.converters.complete_arguments import UNUSED_WINDOW
from keras_gpt3.converters.config_key import ConfigKey
from keras_gpt3.converters.known_flags import SUMMARY_KEYS


class GPTNeoFamily(CheckpointFamily):
    """`model_type` `"gpt_neo"`: no scale, no bias of queries, keys and
    values.
    """

    model_type = "gpt_neo"
    architecture = "GPTNeoForCausalLM"
    special_token_ids = {"bos_token_id": 50256, "eos_token_id": 50256}
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
    base_prefix = "transformer."
    block_prefix = "h.{}."
    weight_names = {
        "token_embedding/embeddings": "wte.weight",
        "position_embedding/table/embeddings": "wpe.weight",
        "attention_norm/gamma": "ln_1.weight",
        "attention_norm/beta": "ln_1.bias",
        "query_key_value/kernel": tuple(
            f"attn.attention.{name}_proj.weight" for name in "qkv"
        ),
        "attention_output/kernel": "attn.attention.out_proj.weight",
        "attention_output/bias": "attn.attention.out_proj.bias",
        "feed_forward_norm/gamma": "ln_2.weight",
        "feed_forward_norm/beta": "ln_2.bias",
        "feed_forward_intermediate/kernel": "mlp.c_fc.weight",
        "feed_forward_intermediate/bias": "mlp.c_fc.bias",
        "feed_forward_output/kernel": "mlp.c_proj.weight",
        "feed_forward_output/bias": "mlp.c_proj.bias",
        "final_norm/gamma": "ln_f.weight",
        "final_norm/beta": "ln_f.bias",
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
