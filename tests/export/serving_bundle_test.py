import logging
import os
import re

import pytest

from keras_gpt3.export.serving_bundle import check_served_as
from keras_gpt3.export.serving_bundle import write_serving_bundle
from keras_gpt3.export.serving_files import BatchingParameters
from tests.export.serving_config import read_batching
from tests.export.serving_config import read_models
from tests.export.serving_config import read_monitoring

FILES = ["batching.config", "models.config", "monitoring.config"]


def bundle(folder, rows=4, **arguments):
    write_serving_bundle(folder, BatchingParameters(rows), **arguments)
    return {name: (folder / name).read_text() for name in FILES}


def test_a_server_reads_all_of_it(tmp_path):
    texts = bundle(tmp_path)
    assert sorted(os.listdir(tmp_path)) == FILES
    (model,) = read_models(texts["models.config"])
    assert (model.name, model.base_path) == ("gpt3", "/models/gpt3")
    assert model.model_platform == "tensorflow"
    batching = read_batching(texts["batching.config"])
    assert batching["max_batch_size"] == 4
    assert batching["allowed_batch_sizes"][-1] == 4
    prometheus = read_monitoring(texts["monitoring.config"])
    assert prometheus.enable
    assert prometheus.path == "/monitoring/prometheus/metrics"


@pytest.mark.parametrize(
    "base_path", ["/srv/my models", "s3://bucket/x", '/"quoted"\\', "/é"]
)
def test_name_and_place_can_be_chosen(base_path, tmp_path):
    texts = bundle(tmp_path, name="Paul-2.7b_x", base_path=base_path)
    (model,) = read_models(texts["models.config"])
    assert (model.name, model.base_path) == ("Paul-2.7b_x", base_path)


def test_the_base_path_follows_the_name(tmp_path):
    (model,) = read_models(bundle(tmp_path, name="small")["models.config"])
    assert model.base_path == "/models/small"


def test_files_of_an_earlier_export_are_replaced_in_silence(tmp_path, caplog):
    bundle(tmp_path, rows=4)
    texts = bundle(tmp_path, rows=8)
    assert read_batching(texts["batching.config"])["max_batch_size"] == 8
    assert caplog.records == []


def test_an_edited_file_is_kept_and_the_log_says_so(tmp_path, caplog):
    path = tmp_path / "batching.config"
    bundle(tmp_path)
    path.write_text("max_batch_size { value: 64 }\n")
    with caplog.at_level(logging.WARNING, "keras_gpt3"):
        texts = bundle(tmp_path, name="other")
    assert texts["batching.config"] == "max_batch_size { value: 64 }\n"
    assert caplog.messages == [
        f"Kept {path}, which was edited and differs from what belongs to this "
        "export. Remove it to have it written anew."
    ]
    assert read_models(texts["models.config"])[0].name == "other"


@pytest.mark.parametrize(
    "name, base_path, message",
    [
        (
            "my model",
            None,
            "name must consist of letters, digits, dots, dashes and "
            "underscores. Received: name='my model'. Pass one such as 'gpt3'.",
        ),
        (
            "gpt3",
            "models/gpt3",
            "base_path must be absolute or a URL, as TensorFlow Serving "
            "requires it. Received: base_path='models/gpt3'. Pass one such as "
            "'/models/gpt3'.",
        ),
    ],
)
def test_what_a_server_would_refuse_is_refused(name, base_path, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        check_served_as(name, base_path)


@pytest.mark.parametrize("name", ["", "a/b", "a\n", 'a"', "é"])
def test_names_that_would_break_the_config_are_refused(name):
    with pytest.raises(ValueError, match="^name must consist of letters"):
        check_served_as(name, None)
