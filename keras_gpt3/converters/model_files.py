"""The files that a model's folder consists of, in either format."""

CHECKPOINT_TOKENIZER = (
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.json",
    "merges.txt",
    "special_tokens_map.json",
    "added_tokens.json",
)
# Patterns, as of a sharded checkpoint the names are not known.
CHECKPOINT_WEIGHTS = (
    "model.safetensors",
    "model-*.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model-*.bin",
    "pytorch_model.bin.index.json",
)
CHECKPOINT_FILES = (
    "config.json",
    "generation_config.json",
    *CHECKPOINT_TOKENIZER,
    *CHECKPOINT_WEIGHTS,
)

KERAS_TOKENIZER = (
    "preprocessor.json",
    "tokenizer.json",
    "assets/tokenizer/vocabulary.json",
    "assets/tokenizer/merges.txt",
)
KERAS_FILES = (
    "config.json",
    "metadata.json",
    "task.json",
    "model.weights.h5",
    "model_*.weights.h5",
    "model.weights.json",
    "task.weights.h5",
    *KERAS_TOKENIZER,
)
