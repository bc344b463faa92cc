"""How much memory a training step of keras-hub's GPT-2 needs at least.

GPT-3 Small's shape, batch 1. Which arrays of scores it keeps for the backward
pass is read from the graph of a small model; the rest is arithmetic.
"""

from harness.side_process import SideProcess

HEADS, HIDDEN, INTERMEDIATE, VOCABULARY = 12, 768, 3072, 50257
# (B, T, V) arrays in float32 at the start of the backward pass: the logits,
# the gradient that the fused cross-entropy keeps, and the latter times the
# gradient from above.
LOGIT_ARRAYS = 3
# A small vocabulary, or the logits would hide what the layers need.
SMALL_RUN = {"num_layers": 6, "vocabulary_size": 1000}


def small_run(length, dtype):
    """Runs a small model, for what it keeps and as a check of `step_bytes`.

    Args:
        length: int. Its context.
        dtype: string. `"float32"` or `"bfloat16"`.

    Returns:
        A dict: `kept_arrays` (from array to how many a layer has),
        `kept_arrays_per_layer`, `bytes_per_score`, and the run's
        `measured_bytes` (peak less the bare process) beside
        `arithmetic_bytes`; or `error` alone.
    """
    options = SMALL_RUN | {"length": length, "dtype": dtype}
    with SideProcess(
        f"keras_hub, {length}, {SMALL_RUN['num_layers']} layers",
        "sides.keras_hub_memory_side",
        options,
    ) as side:
        ready = side.ready
    if "error" in ready:
        return ready
    layers, first = SMALL_RUN["num_layers"], ready["first_step"]
    arrays = {x: n / layers for x, (n, _) in first["result"].items()}
    kept = sum(size for _, size in first["result"].values())
    per_score = kept / (layers * HEADS * length**2)
    return SMALL_RUN | {
        "length": length,
        "kept_arrays": arrays,
        "kept_arrays_per_layer": sum(arrays.values()),
        "bytes_per_score": per_score,
        "measured_bytes": first["peak_bytes"] - ready["bare_bytes"],
        "arithmetic_bytes": step_bytes(length, per_score, **SMALL_RUN)[
            "total_bytes"
        ],
    }


def step_bytes(
    length, bytes_per_score, num_layers=12, vocabulary_size=VOCABULARY
):
    """The memory of a step by arithmetic: a lower bound.

    Activations that grow with the length alone are left out.

    Args:
        length: int. T.
        bytes_per_score: float. What a layer keeps for each score.
        num_layers: int. Defaults to `12`.
        vocabulary_size: int. Defaults to `50257`.

    Returns:
        A dict of ints: `scores_bytes`, `logits_bytes`, `weights_bytes`
        (float32 weights and Adam's moments) and their sum, `total_bytes`.
    """
    kernels = 4 * HIDDEN**2 + 2 * HIDDEN * INTERMEDIATE
    parameters = (
        (vocabulary_size + length) * HIDDEN
        + num_layers * (kernels + 9 * HIDDEN + INTERMEDIATE)
        + 2 * HIDDEN
    )
    parts = {
        "scores_bytes": int(num_layers * HEADS * length**2 * bytes_per_score),
        "logits_bytes": LOGIT_ARRAYS * length * vocabulary_size * 4,
        "weights_bytes": 3 * 4 * parameters,
    }
    return parts | {"total_bytes": sum(parts.values())}
