"""The matrix products of the package's training step, each timed alone."""

from harness.matrix_products import step_products
from harness.roofline import Roofline
from harness.side_server import serve

from keras_gpt3.preset_loader import load_shipped_preset


def build(
    preset="gpt3_small_en",
    dtype="float32",
    batch_size=1,
    length=2048,
    micro_batch_size=None,
    **overrides,
):
    """Lists the products of a step.

    Args:
        preset: string. Defaults to `"gpt3_small_en"`.
        dtype: string. `"float32"` or `"bfloat16"`. Defaults to `"float32"`.
        batch_size: int. Defaults to `1`.
        length: int. Tokens in a sequence. Defaults to `2048`.
        micro_batch_size: int. See `GPT3.compile`. Defaults to `None`.
        **overrides: Arguments of the backbone that differ from the preset's;
            `None` is the preset's.

    Returns:
        A pair of a `Roofline` and a dict of facts.
    """
    given = {name: x for name, x in overrides.items() if x is not None}
    config = load_shipped_preset(preset)["backbone"] | given
    products = step_products(
        config, dtype, batch_size, length, micro_batch_size
    )
    return Roofline(products, dtype), {"products": len(products)}


if __name__ == "__main__":
    serve(build, "tensorflow")
