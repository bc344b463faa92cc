"""keras-hub's GPT-2 at the size of GPT-3 Small, one training step at a time."""

import keras
import keras_hub
from harness.dtype_policies import POLICIES
from harness.keras_step import TrainingStep
from harness.keras_step import bare_bytes
from harness.side_server import serve


def build(
    dtype="float32",
    batch_size=1,
    length=2048,
    num_layers=12,
    vocabulary_size=50257,
    jit_compile="auto",
):
    """Builds and compiles the model, with the package's optimizer constants.

    Args:
        dtype: string. `"float32"` or `"bfloat16"`. Defaults to `"float32"`.
        batch_size: int. Defaults to `1`.
        length: int. Tokens in a sequence. Defaults to `2048`.
        num_layers: int. Defaults to `12`.
        vocabulary_size: int. Defaults to `50257`.
        jit_compile: bool. Defaults to `"auto"`, keras-hub's own default.

    Returns:
        A pair of the step, a `TrainingStep`, and a dict of facts.
    """
    bare = bare_bytes()
    backbone = keras_hub.models.GPT2Backbone(
        vocabulary_size=vocabulary_size,
        num_layers=num_layers,
        num_heads=12,
        hidden_dim=768,
        intermediate_dim=3072,
        dropout=0.0,
        max_sequence_length=length,
        dtype=POLICIES[dtype],
    )
    model = keras_hub.models.GPT2CausalLM(backbone, preprocessor=None)
    model.compile(
        optimizer=keras.optimizers.AdamW(
            6e-4,
            weight_decay=0.1,
            beta_2=0.95,
            epsilon=1e-8,
            global_clipnorm=1.0,
        ),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=jit_compile,
    )
    step = TrainingStep(model, batch_size, length, vocabulary_size)
    return step, {"bare_bytes": bare, "parameters": model.count_params()}


if __name__ == "__main__":
    serve(build, "keras-hub", "keras", "tensorflow")
