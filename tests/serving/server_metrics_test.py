import pytest
from prometheus_client.parser import text_string_to_metric_families

from keras_gpt3.serving.server_metrics import ServerMetrics


def read(metrics):
    """What Prometheus' own parser reads: dict of name and labels to value."""
    text, content_type = metrics.text()
    assert content_type.startswith("text/plain; version=")
    return {
        (sample.name, *_values(sample)): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def _values(sample):
    return [value for _, value in sorted(sample.labels.items())]


def test_requests_are_counted_by_signature_and_status():
    metrics = ServerMetrics()
    metrics.request("generate", 200, seconds=0.03)
    metrics.request("generate", 200, seconds=2.0)
    metrics.request("unknown", 400, seconds=0.0)
    samples = read(metrics)
    assert samples["keras_gpt3_requests_total", "200", "generate"] == 2
    assert samples["keras_gpt3_requests_total", "400", "unknown"] == 1
    bucket = "keras_gpt3_request_seconds_bucket"
    assert samples[bucket, "0.05", "generate"] == 1
    assert samples[bucket, "+Inf", "generate"] == 2
    total = samples["keras_gpt3_request_seconds_sum", "generate"]
    assert total == pytest.approx(2.03)


def test_a_client_that_went_away_is_counted_as_such():
    metrics = ServerMetrics()
    metrics.request("unknown", 499, seconds=0.1)
    metrics.request("generate", 408, seconds=0.1)
    samples = read(metrics)
    assert samples["keras_gpt3_disconnected_total",] == 1
    assert samples["keras_gpt3_requests_total", "499", "unknown"] == 1


def test_a_watched_number_is_read_anew_each_time():
    metrics, waiting = ServerMetrics(), []
    metrics.watch("waiting", "Those who wait.", lambda: len(waiting))
    assert read(metrics)["waiting",] == 0
    waiting.append(1)
    assert read(metrics)["waiting",] == 1


def test_two_servers_of_a_process_count_apart():
    metrics, other = ServerMetrics(), ServerMetrics()
    metrics.generated_tokens.inc(5)
    assert read(metrics)["keras_gpt3_generated_tokens_total",] == 5
    assert read(other)["keras_gpt3_generated_tokens_total",] == 0
    assert read(other)["process_resident_memory_bytes",] > 1e6
