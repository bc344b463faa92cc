"""GPT-2's checkpoints, and Cerebras-GPT's, which differ in switches."""

from keras_gpt3.converters.checkpoint_family import CheckpointFamily
from keras_gpt3.converters.complete_arguments import UNUSED_WINDOW
from keras_gpt3.converters.config_key import ConfigKey
from keras_gpt3.converters.known_flags import SUMMARY_KEYS

_INVERSE_LAYER_SCALE = "scale_attn_by_inverse_layer_idx"


class GPT2Family(CheckpointFamily):
    """`model_type` `"gpt2"`: dense layers, one fused kernel of `(in, out)`."""

    model_type = "gpt2"
    architecture = "GPT2LMHeadModel"
    special_token_ids = {"bos_token_id": 50256, "eos_token_id": 50256}
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
    base_prefix = "transformer."
    block_prefix = "h.{}."
    weight_names = {
        "token_embedding/embeddings": "wte.weight",
        "position_embedding/table/embeddings": "wpe.weight",
        "attention_norm/gamma": "ln_1.weight",
        "attention_norm/beta": "ln_1.bias",
        "query_key_value/kernel": "attn.c_attn.weight",
        "query_key_value/bias": "attn.c_attn.bias",
        "attention_output/kernel": "attn.c_proj.weight",
        "attention_output/bias": "attn.c_proj.bias",
        "feed_forward_norm/gamma": "ln_2.weight",
        "feed_forward_norm/beta": "ln_2.bias",
        "feed_forward_intermediate/kernel": "mlp.c_fc.weight",
        "feed_forward_intermediate/bias": "mlp.c_fc.bias",
        "feed_forward_output/kernel": "mlp.c_proj.weight",
        "feed_forward_output/bias": "mlp.c_proj.bias",
        "final_norm/gamma": "ln_f.weight",
        "final_norm/beta": "ln_f.bias",
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
            "scale_attn_weights": arguments["attention_scale"] != 1.0,
        }
