"""Requests that a server answers before it offers a model. TensorFlow only."""

import logging
import pathlib

import tensorflow as tf

_logger = logging.getLogger("keras_gpt3")

_FILE = pathlib.PurePath("assets.extra", "tf_serving_warmup_requests")
_MAX_NEW_TOKENS = 4
# One token in every vocabulary of bytes and their merges.
_TEXT = "a"


def write_warmup_requests(folder, batch_sizes, context, name="gpt3"):
    """Writes requests of every batch size for `generate` and `score`.

    TensorFlow Serving answers them while it loads the model, so that the
    first client of each batch size waits no longer than others. They need
    tensorflow-serving-api, of the extra `[serving]`; where it is missing the
    log says so, and the model is exported without them.
    """
    try:
        from tensorflow_serving.apis import prediction_log_pb2
    except ImportError:
        _logger.warning(
            "No warm-up requests were written, as tensorflow-serving-api is "
            "not installed; a server's first answers will be slower. Install "
            "it with: pip install 'keras-gpt3[serving]'"
        )
        return None
    path = pathlib.Path(folder) / _FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for signature, inputs in _requests(batch_sizes, context):
            log = prediction_log_pb2.PredictionLog()
            request = log.predict_log.request
            request.model_spec.name = name
            request.model_spec.signature_name = signature
            for key, value in inputs.items():
                request.inputs[key].CopyFrom(tf.make_tensor_proto(value))
            writer.write(log.SerializeToString())
    return path


def _requests(batch_sizes, context):
    """Pairs of signature and inputs, each with a row for each text: a server
    that forms batches takes nothing else.
    """
    new = min(_MAX_NEW_TOKENS, context - 1)
    for batch_size in batch_sizes:
        texts = tf.fill([batch_size], _TEXT)
        truncate = tf.fill([batch_size], "")
        if new > 0:
            yield (
                "generate",
                {
                    "prompts": texts,
                    "max_new_tokens": tf.fill([batch_size], new),
                    "temperature": tf.fill([batch_size], 1.0),
                    "top_k": tf.fill([batch_size], 0),
                    "top_p": tf.fill([batch_size], 1.0),
                    "seed": tf.fill([batch_size], -1),
                    "stop": tf.fill([batch_size, 1], ""),
                    "truncate": truncate,
                },
            )
        yield (
            "score",
            {"contexts": texts, "continuations": texts, "truncate": truncate},
        )
