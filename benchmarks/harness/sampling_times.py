"""Time of the choice of a token, by the settings of the rows."""

import time

import numpy as np

VOCABULARY = 50257
BATCH_SIZES = (1, 8, 32)
OFF = {"temperature": 1.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0}
# Scores of a spread that gives 0.9 of the probability to about 50 tokens, and
# to 40,000.
PEAKED, FLAT = 4.5, 0.5
CASES = {
    "greedy": (PEAKED, {"temperature": 0.0}),
    "plain": (PEAKED, {}),
    "top-k 40": (PEAKED, {"top_k": 40}),
    "top-k 40, flat": (FLAT, {"top_k": 40}),
    "top-k 1000": (PEAKED, {"top_k": 1000}),
    "top-k 1000, flat": (FLAT, {"top_k": 1000}),
    "top-p 0.9": (PEAKED, {"top_p": 0.9}),
    "top-p 0.9, flat": (FLAT, {"top_p": 0.9}),
    "min-p 0.05": (PEAKED, {"min_p": 0.05}),
    "top-k 40, top-p 0.9": (PEAKED, {"top_k": 40, "top_p": 0.9}),
    "mixed": (PEAKED, {}),
}


def sampling_times(repetitions=20):
    """Milliseconds a row, live and exported, of wall and of processor time."""
    rows = []
    for name, (spread, settings) in CASES.items():
        for batch_size in BATCH_SIZES:
            logits = _logits(spread, batch_size)
            columns = _columns(name, settings, batch_size)
            row = {"case": name, "batch_size": batch_size}
            for side, make in (("live", _live), ("exported", _exported)):
                # A model's sampler has one value of each; mixed rows have not.
                values = columns if name == "mixed" else OFF | settings
                choose = make(values if side == "live" else columns)
                row[side] = _time(choose, logits, batch_size, repetitions)
            rows.append(row)
    return rows


def _logits(spread, batch_size):
    """Random scores, which fall off as those of a model do."""
    generator = np.random.default_rng(0)
    scores = generator.normal(scale=spread, size=(batch_size, VOCABULARY))
    return scores.astype("float32")


def _columns(name, settings, batch_size):
    columns = {
        key: np.full(
            batch_size, value, "int32" if key == "top_k" else "float32"
        )
        for key, value in (OFF | settings).items()
    }
    if name == "mixed":
        # Half, a third, and a sixth of plain ones.
        place = np.arange(batch_size) % 6
        columns["top_k"][place < 3] = 40
        columns["top_p"][(place >= 3) & (place < 5)] = 0.9
    return columns


def _live(settings):
    """As a compiled model's loop chooses, by XLA."""
    from keras_gpt3.generation import choose_token
    from keras_gpt3.ops.op_compilation import jit_compile

    return jit_compile(
        lambda logits, index, seed: choose_token(
            logits, index, seed=seed, **settings
        )
    )


def _exported(columns):
    """As an exported graph does, by TensorFlow's operations."""
    import tensorflow as tf

    from keras_gpt3.generation import choose_token
    from keras_gpt3.ops.op_compilation import op_compilation

    specs = {
        key: tf.TensorSpec((None,), value.dtype)
        for key, value in columns.items()
    }

    @tf.function(
        autograph=False,
        input_signature=[
            tf.TensorSpec((None, VOCABULARY)),
            tf.TensorSpec((), tf.int32),
            tf.TensorSpec((None,), tf.int32),
            specs,
        ],
    )
    def choose(logits, index, seed, settings):
        with op_compilation(False):
            return choose_token(logits, index, seed=seed, **settings)

    columns = {key: tf.constant(value) for key, value in columns.items()}
    return lambda logits, index, seed: choose(logits, index, seed, columns)


def _time(choose, logits, batch_size, repetitions):
    """The least of three runs of many positions, by row."""
    from keras import ops

    logits = ops.convert_to_tensor(logits)
    seed = ops.arange(batch_size, dtype="int32")
    indices = [ops.convert_to_tensor(i) for i in range(repetitions)]

    def run():
        wall, cpu = time.perf_counter(), time.process_time()
        for index in indices:
            np.asarray(choose(logits, index, seed))
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        return wall, cpu

    run()
    wall, cpu = map(min, zip(*(run() for _ in range(3)), strict=True))
    scale = 1000 / repetitions / batch_size
    return {"wall_ms": round(wall * scale, 3), "cpu_ms": round(cpu * scale, 3)}
