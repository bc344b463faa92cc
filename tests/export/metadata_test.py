import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_serving.apis import prediction_log_pb2

from keras_gpt3.export import serving_files
from keras_gpt3.export.version_folder import read_metadata
from keras_gpt3.export.version_folder import write_metadata
from tests.export.serving_config import read_batching
from tests.export.stock_tensorflow import stored_bytes
from tests.small_gpt3 import small_text_model

# === Metadata ===


def test_facts_and_every_file_but_itself_are_listed(tmp_path):
    assert read_metadata(tmp_path) is None
    (tmp_path / "variables").mkdir()
    (tmp_path / "variables" / "data").write_bytes(b"123")
    (tmp_path / "saved_model.pb").write_bytes(b"")
    write_metadata(tmp_path, {"max_sequence_length": 40})
    assert read_metadata(tmp_path) == {
        "max_sequence_length": 40,
        "file_sizes": {"saved_model.pb": 0, "variables/data": 3},
    }


def test_what_is_not_whole_is_not_read(tmp_path):
    write_metadata(tmp_path, {})
    (tmp_path / "assets.extra" / "keras_gpt3.json").write_bytes(b"{")
    assert read_metadata(tmp_path) is None


# === Version files ===


# What stands in a version's folder beside the graph, and what not in it.


@pytest.fixture(scope="module")
def version(tmp_path_factory):
    """An exported model for text, with embedded positions of 1.3 MB."""
    model = small_text_model(max_sequence_length=20_000)
    folder = tmp_path_factory.mktemp("files")
    with pytest.MonkeyPatch.context() as patch:
        # Fewer requests to answer.
        patch.setattr(serving_files, "_LARGEST_BATCH", 2)
        return model.export(folder / "model", verbose=False)


@pytest.mark.slow
def test_a_version_holds_what_a_server_looks_for(version):
    assert {path.name for path in version.iterdir()} >= {
        "saved_model.pb",
        "variables",
        "assets",
        "assets.extra",
    }
    assert {path.name for path in (version / "assets.extra").iterdir()} == {
        "keras_gpt3.json",
        "tf_serving_warmup_requests",
    }


@pytest.mark.slow
def test_weights_are_variables_and_no_constants_of_the_graph(version):
    message = saved_model_pb2.SavedModel()
    message.ParseFromString((version / "saved_model.pb").read_bytes())
    (meta_graph,) = message.meta_graphs
    graph = meta_graph.graph_def
    nodes = [*graph.node]
    nodes += [node for f in graph.library.function for node in f.node_def]
    constants = [node for node in nodes if node.op == "Const"]
    largest = max(node.attr["value"].tensor.ByteSize() for node in constants)
    assert len(constants) > 100 and largest < 2**20
    assert stored_bytes(version, 2**20 // 4) >= 20_000 * 16 * 4


@pytest.mark.slow
def test_every_warm_up_request_is_answered(version):
    signatures = tf.saved_model.load(str(version)).signatures
    path = version / "assets.extra" / "tf_serving_warmup_requests"
    answered = []
    for record in tf.data.TFRecordDataset(str(path)):
        log = prediction_log_pb2.PredictionLog.FromString(record.numpy())
        request = log.predict_log.request
        name = request.model_spec.signature_name
        inputs = {
            key: tf.io.parse_tensor(value.SerializeToString(), value.dtype)
            for key, value in request.inputs.items()
        }
        # A server with batching on takes no defaults.
        assert set(inputs) == set(
            signatures[name].structured_input_signature[1]
        )
        for answer in signatures[name](**inputs).values():
            answered.append((name, len(answer)))
    config = read_batching((version.parent / "batching.config").read_text())
    assert set(answered) == {
        (name, size)
        for name in ("generate", "score")
        for size in config["allowed_batch_sizes"]
    }
