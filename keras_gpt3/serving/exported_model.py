"""A SavedModel, loaded with nothing but TensorFlow. TensorFlow only."""

import dataclasses
import functools
import re

import numpy as np
import tensorflow as tf
from google.protobuf import json_format
from tensorflow.core.protobuf import saved_model_pb2

from keras_gpt3.generation.prompt_messages import too_long_message
from keras_gpt3.ops.graph_assertion import one_line_errors

# What is refused for certain, and far from what an int32 holds.
_TOO_MANY = 2**30


@dataclasses.dataclass(frozen=True)
class Signature:
    """What a signature takes and gives."""

    inputs: dict
    outputs: dict
    defaults: dict

    @property
    def required(self):
        """The names of inputs that may not be left out, in order."""
        return tuple(sorted(set(self.inputs) - set(self.defaults)))


class ExportedModel:
    """Calls the signatures of an export."""

    def __init__(self, path, version):
        self.version = version
        self._loaded = tf.saved_model.load(str(path))
        self._definitions = _signature_definitions(path)
        self.signatures = {
            name: Signature(
                function.structured_input_signature[1],
                function.structured_outputs,
                _defaults(self._definitions[name]),
            )
            for name, function in self._loaded.signatures.items()
        }

    def call(self, name, inputs):
        """Calls a signature."""
        answer = self.call_on_tensors(name, inputs)
        return {name: value.numpy() for name, value in answer.items()}

    def call_on_tensors(self, name, inputs):
        """Calls a signature, and leaves its answer where it is."""
        signature = self.signatures[name]
        tensors = {
            key: tf.convert_to_tensor(inputs[key], spec.dtype)
            for key, spec in signature.inputs.items()
        }
        for key, spec in signature.inputs.items():
            _check_shape(key, tensors[key], spec)
        try:
            with one_line_errors():
                return self._loaded.signatures[name](**tensors)
        except tf.errors.InvalidArgumentError as error:
            # Not one of the export's own checks: TensorFlow's words.
            reason = str(error).strip().splitlines()[0]
            raise ValueError(
                f"Inputs must be such as {name} takes. Received: {reason:.300}."
                " See the metadata for its inputs."
            ) from None

    @functools.cached_property
    def context(self):
        """The most tokens that prompt and answer may have together.

        The signatures name it only where they refuse what does not fit.
        """
        inputs = dict(self.signatures["generate"].defaults)
        inputs["prompts"] = np.array([b"a"], object)
        inputs["max_new_tokens"] = np.array(_TOO_MANY)
        said = re.escape(too_long_message("CONTEXT")[0])
        message = "an answer"
        try:
            self.call("generate", inputs)
        except ValueError as error:
            message = str(error)
        found = re.match(said.replace("CONTEXT", r"(\d+)"), message)
        if not found:
            raise ValueError(
                "generate must say its context when it refuses what is too "
                f"long. Received: {message}. Export the model again, with this "
                "version of keras_gpt3."
            )
        return int(found[1])

    @functools.cached_property
    def max_text_bytes(self):
        """The bytes that a text of a whole context may have.

        More are certainly too long, and need not be tokenized to be refused.
        """
        size = self._vocabulary_size()
        tokens = {
            "token_ids": np.arange(size)[:, np.newaxis],
            "lengths": np.ones(size, "int32"),
        }
        texts = self.call("detokenize", tokens)["texts"]
        return self.context * max(map(len, texts))

    def _vocabulary_size(self):
        """What the graph says when it refuses an id, as `context` is found."""
        message = "an answer"
        try:
            tokens = {"token_ids": [[_TOO_MANY]], "lengths": [1]}
            self.call("detokenize", tokens)
        except ValueError as error:
            message = str(error)
        found = re.search(r" from 0 to (\d+)\. Received: ", message)
        if not found:
            raise ValueError(
                "detokenize must say its vocabulary when it refuses an id. "
                f"Received: {message}. Export the model again, with this "
                "version of keras_gpt3."
            )
        return int(found[1]) + 1

    def definitions(self):
        """The signatures as TensorFlow Serving's metadata writes them."""
        return {
            name: json_format.MessageToDict(
                definition,
                preserving_proto_field_name=True,
                always_print_fields_with_no_presence=True,
            )
            for name, definition in sorted(self._definitions.items())
        }


def _signature_definitions(path):
    saved_model = saved_model_pb2.SavedModel()
    saved_model.ParseFromString((path / "saved_model.pb").read_bytes())
    definitions = {}
    for meta_graph in saved_model.meta_graphs:
        definitions |= meta_graph.signature_def
    return definitions


def _defaults(definition):
    return {
        name: tf.make_ndarray(value)
        for name, value in definition.defaults.items()
    }


def _check_shape(name, tensor, spec):
    if not spec.shape.is_compatible_with(tensor.shape):
        raise ValueError(
            f"{name} must have the shape {spec.shape}. Received: "
            f"{name}.shape={tuple(tensor.shape)}. Change its number of "
            "dimensions."
        )
