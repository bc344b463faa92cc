"""Requests that a server answers before it offers a model. TensorFlow only."""

import dataclasses
import logging
import pathlib

import tensorflow as tf

from keras_gpt3.export.per_row_options import option_defaults
from keras_gpt3.planning import cache_bytes

_logger = logging.getLogger("keras_gpt3")

_FILE = pathlib.PurePath("assets.extra", "tf_serving_warmup_requests")
_MAX_NEW_TOKENS = 4
# One token in every vocabulary of bytes and their merges.
_TEXT = "a"


def write_warmup_requests(folder, batch_sizes, context, name="gpt3"):
    """Write requests of every batch size for `generate` and `score`.

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
    # With a row for each text: a server that forms batches accepts no other.
    new = min(_MAX_NEW_TOKENS, context - 1)
    for batch_size in batch_sizes:
        texts = tf.fill([batch_size], _TEXT)
        options = {
            name: tf.repeat(value, batch_size, axis=0)
            for name, value in option_defaults().items()
        }
        if new > 0:
            some = {"max_new_tokens": tf.fill([batch_size], new)}
            yield "generate", {"prompts": texts} | options | some
        texts = {"contexts": texts, "continuations": texts}
        yield "score", texts | {"truncate": options["truncate"]}


# Small models decode more rows at a time than their own size would allow.
_LEAST_CACHE_BYTES = 2**31
_LARGEST_BATCH = 32


@dataclasses.dataclass(frozen=True)
class BatchingParameters:
    """TensorFlow Serving's settings of batching."""

    max_batch_size: int
    # A long answer must not keep all others waiting.
    num_batch_threads: int = 2
    # A hundredth of the time of an answer, and enough to collect the requests
    # of many clients.
    batch_timeout_micros: int = 10_000
    max_enqueued_batches: int = 8

    @classmethod
    def for_model(cls, config, dtype, weight_bytes):
        """Size batches to a model.

        The keys and values of all rows of a batch, each at the model's full
        context, use at most the memory of the weights, or 2 GiB for small
        models: a server needs about twice the weights. The batch is the
        largest power of two within that, at most 32.
        """
        room = max(weight_bytes, _LEAST_CACHE_BYTES)
        row = cache_bytes(config, dtype)
        rows = min(room // (row * cls.num_batch_threads), _LARGEST_BATCH)
        return cls(max_batch_size=2 ** (max(rows, 1).bit_length() - 1))

    @property
    def allowed_batch_sizes(self):
        """The powers of two up to the largest batch, a tuple of ints.

        A server pads a batch to one of these: it sees few shapes, and each has
        been warmed up.
        """
        exponents = range(self.max_batch_size.bit_length())
        return tuple(2**exponent for exponent in exponents)

    def as_text(self):
        """The text of a `batching_parameters_file`."""
        lines = [
            f"{name}: {{ value: {value} }}"
            for name, value in dataclasses.asdict(self).items()
        ]
        lines += [f"allowed_batch_sizes: {n}" for n in self.allowed_batch_sizes]
        # Rows may differ in their number of stop strings. The server pads with
        # a request's first one, which may be repeated.
        lines.append("pad_variable_length_inputs: true")
        return "\n".join(lines) + "\n"
