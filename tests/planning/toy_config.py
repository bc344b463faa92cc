"""A backbone small enough to count by hand."""

TOY = {
    "vocabulary_size": 10,
    "num_layers": 4,
    "num_heads": 2,
    "hidden_dim": 8,
    "intermediate_dim": 32,
    "max_sequence_length": 16,
    "attention_pattern": ["dense", "banded"],
    "attention_window": 4,
}
