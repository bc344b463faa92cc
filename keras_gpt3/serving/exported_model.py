"""A SavedModel, loaded with nothing but TensorFlow. TensorFlow only."""

import dataclasses

import numpy as np
import tensorflow as tf
from google.protobuf import json_format
from tensorflow.core.protobuf import saved_model_pb2

from keras_gpt3.export.version_folder import read_metadata
from keras_gpt3.ops.graph_assertion import one_line_errors


@dataclasses.dataclass(frozen=True)
class Signature:
    """The inputs and outputs of a signature."""

    inputs: dict
    outputs: dict
    defaults: dict

    @property
    def required(self):
        """The names of the inputs without a default, in order."""
        return tuple(sorted(set(self.inputs) - set(self.defaults)))

    @property
    def batches_rows(self):
        """Whether rows of several requests may be run together.

        So it is where texts, each with options of its own, are answered by a
        value each.
        """
        texts = [self.inputs[name] for name in self.required]
        options = [self.inputs[name] for name in self.defaults]
        return (
            all(s.dtype == tf.string and s.shape.rank == 1 for s in texts)
            and all(s.shape.rank is None for s in options)
            and all(s.shape.rank == 1 for s in self.outputs.values())
        )


class ExportedModel:
    """Calls the signatures of an export."""

    def __init__(self, path, version):
        self.version = version
        metadata = read_metadata(path)
        # The most tokens that prompt and answer may have together.
        self.context = metadata["max_sequence_length"]
        # A text of more bytes is certainly too long, and need not be
        # tokenized to be rejected.
        self.max_text_bytes = self.context * metadata.get("longest_token", 0)
        self.end_token_id = metadata.get("end_token_id")
        self.special_token_ids = set(metadata.get("special_token_ids", ()))
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
        self.token_bytes = ()
        if "generate" in self.signatures:
            if "step_slots" not in self.signatures:
                raise ValueError(
                    "An export that continues texts must have slots. Received: "
                    f"no step_slots in {path}. Export the model again, with "
                    "this version of keras_gpt3."
                )
            self.token_bytes = self._read_token_bytes(
                metadata["vocabulary_size"]
            )

    @property
    def cache_bytes(self):
        """The bytes of the keys and values of a token."""
        spec = self.signatures["fill_slot"].inputs["keys"]
        layers, _, *head = spec.shape
        return 2 * layers * int(np.prod(head)) * spec.dtype.size

    def _read_token_bytes(self, number):
        """The bytes of each token, special ones under their own text."""
        ids = np.arange(number, dtype="int32")[:, np.newaxis]
        inputs = {"token_ids": ids, "lengths": np.ones(number, "int32")}
        return self.call("detokenize", inputs)["texts"].tolist()

    def call(self, name, inputs):
        """Call a signature."""
        answer = self.call_on_tensors(name, inputs)
        return {name: value.numpy() for name, value in answer.items()}

    def call_on_tensors(self, name, inputs):
        """Call a signature; return tensors, on their device."""
        signature = self.signatures[name]
        tensors = {
            key: tf.convert_to_tensor(inputs[key], spec.dtype)
            for key, spec in signature.inputs.items()
        }
        try:
            with one_line_errors():
                return self._loaded.signatures[name](**tensors)
        except tf.errors.InvalidArgumentError as error:
            # Not one of the export's own checks, but TensorFlow's.
            reason = str(error).strip().splitlines()[0]
            raise ValueError(
                f"Inputs must be such as {name} takes. Received: {reason:.300}."
                " See the metadata for its inputs."
            ) from None

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
