"""Models to export: a small GPT-3, and what must not be exported."""

import numpy as np
import tensorflow as tf
import tensorflow_text
from tensorflow.compiler.tf2xla.python import xla

import keras_gpt3

CONTEXT = 24
PROMPT_LENGTHS = (2, 9, 5)


def make_model():
    """Two layers, one of them with a window that answers cross."""
    model = keras_gpt3.GPT3(
        keras_gpt3.GPT3Backbone(
            vocabulary_size=60,
            num_layers=2,
            num_heads=2,
            hidden_dim=16,
            intermediate_dim=32,
            max_sequence_length=CONTEXT,
            attention_window=4,
        )
    )
    generator = np.random.default_rng(1)
    # A new model, its head tied, repeats itself; strong positions do not.
    for weight in model.weights:
        scale = 1.0 if "position" in weight.path else 0.4
        noise = generator.normal(size=weight.shape, scale=scale)
        weight.assign(noise + ("gamma" in weight.path))
    return model


def make_prompts():
    generator = np.random.default_rng(0)
    ids = generator.integers(0, 60, (len(PROMPT_LENGTHS), CONTEXT), "int32")
    mask = np.arange(CONTEXT) < np.array(PROMPT_LENGTHS)[:, None]
    return {"token_ids": ids, "padding_mask": mask}


def refused_functions():
    """Functions of a float vector that stock TensorFlow Serving refuses."""
    tokenizer = tensorflow_text.WhitespaceTokenizer()
    return {
        "XlaDynamicUpdateSlice": lambda x: xla.dynamic_update_slice(
            x, x[:1], [0]
        ),
        "EagerPyFunc": lambda x: tf.py_function(lambda y: y, [x], x.dtype),
        "PyFunc": lambda x: tf.numpy_function(lambda y: y, [x], x.dtype),
        "TFText>WhitespaceTokenizeWithOffsetsV2": lambda x: (
            tokenizer.tokenize(tf.strings.as_string(x)).flat_values
        ),
        "_XlaMustCompile": tf.function(tf.tanh, jit_compile=True),
        "nothing": tf.tanh,
    }


def save_function(function, folder):
    module = tf.Module()
    module.call = tf.function(function, input_signature=[tf.TensorSpec(3)])
    tf.saved_model.save(module, folder, signatures=module.call)
