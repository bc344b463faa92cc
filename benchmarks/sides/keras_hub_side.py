"""keras-hub's GPT-2 at a size of GPT-3, one training step at a time."""

from harness.backend_device import keep_gpu_for_jax
from harness.dtype_policies import POLICIES
from harness.keras_hub_model import compiled_keras_hub_model
from harness.keras_hub_model import keras_hub_backbone
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
    num_heads=12,
    hidden_dim=768,
):
    """Builds and compiles the model, with the package's optimizer constants.

    Args:
        dtype: string. `"float32"` or `"bfloat16"`. Defaults to `"float32"`.
        batch_size: int. Defaults to `1`.
        length: int. Tokens in a sequence. Defaults to `2048`.
        num_layers: int. Defaults to `12`.
        vocabulary_size: int. Defaults to `50257`.
        jit_compile: bool. Defaults to `"auto"`, keras-hub's own default.
        num_heads: int. Defaults to `12`.
        hidden_dim: int. Defaults to `768`.

    Returns:
        A pair of the step, a `TrainingStep`, and a dict of facts.
    """
    keep_gpu_for_jax()
    bare = bare_bytes()
    backbone = keras_hub_backbone(
        POLICIES[dtype],
        length,
        num_layers,
        vocabulary_size,
        num_heads,
        hidden_dim,
    )
    model = compiled_keras_hub_model(backbone, 6e-4, jit_compile)
    step = TrainingStep(model, batch_size, length, vocabulary_size)
    return step, {"bare_bytes": bare, "parameters": model.count_params()}


if __name__ == "__main__":
    serve(build, "keras-hub", "keras", "tensorflow", "jax")
