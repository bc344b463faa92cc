"""The Keras policy of each dtype that a benchmark takes."""

POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16"}
