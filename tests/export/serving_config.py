"""Reads TensorFlow Serving's configs as the server reads them."""

from google.protobuf import descriptor_pb2
from google.protobuf import descriptor_pool
from google.protobuf import message_factory
from google.protobuf import text_format
from google.protobuf import wrappers_pb2
from tensorflow_serving.config import model_server_config_pb2

# tensorflow-serving-api has no module for these two messages; their fields are
# those of session_bundle_config.proto and monitoring_config.proto.
_WRAPPED = ("max_batch_size", "batch_timeout_micros") + (
    "max_enqueued_batches",
    "num_batch_threads",
)


def _messages():
    file = descriptor_pb2.FileDescriptorProto(
        name="test_serving_config.proto", syntax="proto3", package="test"
    )
    file.dependency.append(wrappers_pb2.DESCRIPTOR.name)
    kinds = descriptor_pb2.FieldDescriptorProto

    def add(message, name, kind, type_name=None, repeated=False):
        message.field.add(
            name=name,
            number=len(message.field) + 1,
            type=kind,
            type_name=type_name,
            label=kinds.LABEL_REPEATED if repeated else kinds.LABEL_OPTIONAL,
        )

    batching = file.message_type.add(name="BatchingParameters")
    for name in _WRAPPED:
        add(batching, name, kinds.TYPE_MESSAGE, ".google.protobuf.Int64Value")
    add(batching, "allowed_batch_sizes", kinds.TYPE_INT64, repeated=True)
    add(batching, "pad_variable_length_inputs", kinds.TYPE_BOOL)
    prometheus = file.message_type.add(name="PrometheusConfig")
    add(prometheus, "enable", kinds.TYPE_BOOL)
    add(prometheus, "path", kinds.TYPE_STRING)
    monitoring = file.message_type.add(name="MonitoringConfig")
    add(
        monitoring,
        "prometheus_config",
        kinds.TYPE_MESSAGE,
        ".test.PrometheusConfig",
    )
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(
            pool.FindMessageTypeByName(f"test.{name}")
        )
        for name in ("BatchingParameters", "MonitoringConfig")
    }


_MESSAGES = _messages()


def read_batching(text):
    """A dict of the fields of a batching config."""
    message = text_format.Parse(text, _MESSAGES["BatchingParameters"]())
    fields = {name: getattr(message, name).value for name in _WRAPPED}
    return fields | {
        "allowed_batch_sizes": [*message.allowed_batch_sizes],
        "pad_variable_length_inputs": message.pad_variable_length_inputs,
    }


def read_models(text):
    """The models of a model server's config."""
    message = text_format.Parse(
        text, model_server_config_pb2.ModelServerConfig()
    )
    return [*message.model_config_list.config]


def read_monitoring(text):
    """What a monitoring config says of Prometheus."""
    message = text_format.Parse(text, _MESSAGES["MonitoringConfig"]())
    return message.prometheus_config
