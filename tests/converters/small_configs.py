"""The least that the config.json of each family holds."""

GPT2 = {
    "model_type": "gpt2",
    "vocab_size": 53,
    "n_positions": 80,
    "n_embd": 24,
    "n_layer": 2,
    "n_head": 3,
}
GPT_NEO = {
    "model_type": "gpt_neo",
    "vocab_size": 53,
    "max_position_embeddings": 80,
    "hidden_size": 24,
    "num_layers": 4,
    "num_heads": 3,
    "attention_types": [[["global", "local"], 2]],
    "window_size": 7,
}
OPT = {
    "model_type": "opt",
    "vocab_size": 53,
    "max_position_embeddings": 80,
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "ffn_dim": 60,
}
SMALLEST = {"gpt2": GPT2, "gpt_neo": GPT_NEO, "opt": OPT}


def without(config, key):
    """A config that lacks a key."""
    return {name: value for name, value in config.items() if name != key}
