"""The choice of tokens by settings that each row has. TensorFlow only."""

import tensorflow as tf

from keras_gpt3.export.per_row_options import integer_rows
from keras_gpt3.export.per_row_options import number_rows
from keras_gpt3.export.per_row_options import seed_rows
from keras_gpt3.generation.prompt_messages import TOP_K
from keras_gpt3.generation.token_choice import choose_token


def choose_for_rows(logits, index, temperature, top_k, top_p, seed):
    """`choose_token`, without the draws that no row needs."""

    def draw(seed):
        chosen = choose_token(logits, index, temperature, top_k, seed, top_p)
        return tf.cast(chosen, tf.int32)

    def likeliest():
        return tf.argmax(tf.cast(logits, tf.float32), -1, tf.int32)

    # Rows of one seed share their noise: one draw serves them all.
    return tf.cond(
        tf.reduce_all(temperature == 0),
        likeliest,
        lambda: tf.cond(
            tf.reduce_all(seed == seed[:1]),
            lambda: draw(seed[0]),
            lambda: draw(seed),
        ),
    )


def draw_rows(settings, batch_size):
    """Brings the settings of draws to one value for each row."""
    number = {
        name: number_rows(name, settings[name], batch_size)
        for name in ("temperature", "top_p")
    }
    return number | {
        "top_k": integer_rows("top_k", settings["top_k"], batch_size, 0, TOP_K),
        "seed": seed_rows(settings["seed"], batch_size),
    }
