"""keras-hub's GPT-2 at the size of GPT-3 Small, one training step at a time."""

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
    backbone = keras_hub_backbone(
        POLICIES[dtype], length, num_layers, vocabulary_size
    )
    model = compiled_keras_hub_model(backbone, 6e-4, jit_compile)
    step = TrainingStep(model, batch_size, length, vocabulary_size)
    return step, {"bare_bytes": bare, "parameters": model.count_params()}


if __name__ == "__main__":
    serve(build, "keras-hub", "keras", "tensorflow")
