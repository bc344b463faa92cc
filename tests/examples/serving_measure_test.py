"""Measuring a model server, against one that answers without a model."""

import json
import socket

import pytest
import tensorflow as tf

from tests.examples import stand_in_model_server
from tests.examples.serving_scripts import canned_handler
from tests.examples.serving_scripts import serving_scripts

LIMIT = 8


class Counting(stand_in_model_server.StandIn):
    """Answers with as many tokens as asked for, up to a limit."""

    def __init__(self):
        super().__init__({})

    def specs(self, model, name):
        names = {"prompts": tf.string, "stop": tf.string, "truncate": tf.string}
        names |= dict.fromkeys(["max_new_tokens", "top_k", "seed"], tf.int32)
        names |= dict.fromkeys(["temperature", "top_p"], tf.float32)
        return {k: tf.TensorSpec(None, dtype) for k, dtype in names.items()}

    def run(self, model, name, inputs):
        if (inputs["max_new_tokens"] > LIMIT).any():
            raise stand_in_model_server.Refusal(400, "too many")
        self.rows.append(len(inputs["prompts"]))
        return {"num_tokens": inputs["max_new_tokens"], "seed": inputs["seed"]}


@pytest.fixture
def url():
    with stand_in_model_server.rest_server(Counting()) as url:
        yield url


@pytest.fixture(scope="module")
def scripts():
    with serving_scripts() as found:
        yield found


def test_quantiles_are_latencies_of_requests(scripts):
    seconds = [float(i) for i in range(200, 0, -1)]
    found = scripts.measure.latencies(seconds)
    assert found == {
        "p50": 100.0,
        "p95": 190.0,
        "p99": 198.0,
        "mean": 100.5,
        "max": 200.0,
    }
    assert scripts.measure.latencies([3.0])["p99"] == 3.0


def test_measuring_writes_what_was_measured(scripts, url, tmp_path, capsys):
    out = tmp_path / "new" / "measured.json"
    words = ["--url", url, "--out", str(out), "--requests", "6"]
    words += ["--concurrency", "1", "3", "--max-new-tokens", "4"]
    assert scripts.measure.main(words) == 0
    report = json.loads(out.read_text())
    assert [each["concurrency"] for each in report["measured"]] == [1, 3]
    for each in report["measured"]:
        assert each["answered"] == 6 and each["errors"] == {}
        assert each["tokens_per_second"] == 4 * 6 / each["seconds"]
        assert each["requests_per_second"] == 6 / each["seconds"]
        assert each["batching"] == {
            "batches": 6,
            "mean_batch_size": 1.0,
            "mean_padding": 0.0,
            "mean_queue_ms": 2.5,
        }
    assert "tokens/s" in capsys.readouterr().out


def test_measuring_counts_what_was_refused(scripts, url):
    client = scripts.rest_client.RestClient(url)
    found = scripts.measure.measure(client, 4, 2, LIMIT + 1, lambda: None)
    assert found["answered"] == found["tokens_per_second"] == 0
    assert found["latency_seconds"] is None
    ((message, count),) = found["errors"].items()
    assert "error='too many'" in message and count == 4
    assert found["batching"] is None


def test_a_server_without_metrics_is_measured_all_the_same(scripts):
    with stand_in_model_server.serving(canned_handler(b"", 404)) as url:
        assert scripts.server_metrics.read_metrics(url) is None
    assert scripts.server_metrics.batching_between(None, None) is None


def test_measuring_a_server_that_is_not_there_writes_nothing(
    scripts, tmp_path, capsys
):
    with socket.socket() as taken:
        # Bound and closed again: nothing listens there.
        taken.bind(("127.0.0.1", 0))
        closed_port = taken.getsockname()[1]
    out = tmp_path / "measured.json"
    url = f"http://127.0.0.1:{closed_port}"
    assert scripts.measure.main(["--url", url, "--out", str(out)]) == 1
    assert capsys.readouterr().err.startswith("A server must listen")
    assert not out.exists()
