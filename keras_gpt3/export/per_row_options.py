"""Options of a request, one for all rows or one for each. TensorFlow only."""

import inspect

import tensorflow as tf

from keras_gpt3.generation.prompt_messages import TOP_K
from keras_gpt3.generation.prompt_messages import TRUNCATE
from keras_gpt3.generation.sampling_settings import SETTING_RANGES
from keras_gpt3.generation.sampling_settings import setting_message
from keras_gpt3.ops.graph_assertion import assert_in_graph


def option_defaults():
    """The defaults of options.

    Rows rather than scalars: with batching, TensorFlow Serving accepts no
    scalars.
    """
    return {
        "max_new_tokens": tf.constant([64]),
        "temperature": tf.constant([1.0]),
        "top_k": tf.constant([0]),
        "top_p": tf.constant([1.0]),
        # Draws anew; see `seed_rows`.
        "seed": tf.constant([-1]),
        "truncate": tf.constant([""]),
        # One column of padding: it can be joined to other requests' columns.
        "stop": tf.constant([[""]]),
    }


def endpoint(function, specs, *options):
    """A function of named tensors and options, and its specs.

    Defaults of the options are tensors in the signature of the callable:
    `tf.saved_model.save` finds them there and writes them to the
    `SignatureDef`.
    """
    defaults = option_defaults()
    specs = list(specs)
    specs += [tf.TensorSpec(None, defaults[x].dtype, x) for x in options]

    def call(*tensors):
        names = (spec.name for spec in specs)
        return function(**dict(zip(names, tensors, strict=True)))

    call.__signature__ = inspect.Signature(
        inspect.Parameter(
            spec.name,
            inspect.Parameter.POSITIONAL_OR_KEYWORD,
            default=defaults[spec.name]
            if spec.name in options
            else inspect.Parameter.empty,
        )
        for spec in specs
    )
    return call, specs


def option_rows(name, option, batch_size):
    """Broadcast an option to one value for each row."""
    count = tf.size(option)
    is_column = (tf.rank(option) < 2) & ((count == 1) | (count == batch_size))
    option = assert_in_graph(
        option, is_column, *shape_message(name, tf.shape(option))
    )
    return tf.broadcast_to(tf.reshape(option, [-1]), [batch_size])


def shape_message(name, shape):
    """The error for an option of a wrong shape, around the shape."""
    sizes = tf.strings.reduce_join(tf.strings.as_string(shape), separator=", ")
    return (
        f"{name} must be one for all rows, or one for each. Received: shape=",
        tf.strings.join(["[", sizes, "]"]),
        ". Pass a single value, or as many as there are texts.",
    )


def number_rows(name, option, batch_size):
    """Like `option_rows`, for a setting with a range."""
    rows = option_rows(name, option, batch_size)
    is_right = SETTING_RANGES[name].contains(rows)
    # As Python's `:g` prints it, not with all digits of a float32.
    printed = tf.strings.as_string(rows, shortest=True)
    return check_rows(rows, is_right, printed, setting_message(name))


def seed_rows(option, batch_size):
    """Like `option_rows`, for seeds: a negative one is drawn at each call."""
    rows = option_rows("seed", option, batch_size)
    # Raw: `tf.random.uniform` would write the seed of the process that
    # exports into the graph, and each start of a server would repeat it.
    drawn = tf.raw_ops.RandomUniformInt(
        shape=tf.shape(rows), minval=0, maxval=tf.int32.max, seed=0, seed2=0
    )
    return tf.where(rows < 0, drawn, rows)


def integer_rows(name, option, batch_size, minimum, message):
    """Like `option_rows`, for an integer with a lower bound."""
    rows = option_rows(name, option, batch_size)
    return check_rows(rows, rows >= minimum, rows, message)


def truncates_left(truncate, batch_size):
    """Which rows drop the first tokens of long prompts."""
    rows = option_rows("truncate", truncate, batch_size)
    is_right = (rows == "left") | (rows == "")
    return check_rows(rows, is_right, rows, TRUNCATE) == "left"


def check_rows(x, is_right, values, message):
    """Add a check of each row to a tensor."""
    before, after = message
    wrong = tf.boolean_mask(values, ~is_right)
    # The zero is for graphs in which none is wrong.
    value = tf.concat([wrong, tf.zeros([1], values.dtype)], axis=0)[0]
    return assert_in_graph(x, tf.reduce_all(is_right), before, value, after)


def draw_rows(settings, batch_size):
    """Broadcast the settings of draws to one value for each row."""
    number = {
        name: number_rows(name, settings[name], batch_size)
        for name in ("temperature", "top_p")
    }
    return number | {
        "top_k": integer_rows("top_k", settings["top_k"], batch_size, 0, TOP_K),
        "seed": seed_rows(settings["seed"], batch_size),
    }
