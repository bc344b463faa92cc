"""What a server counts and times, for Prometheus."""

import prometheus_client

from keras_gpt3.serving.json_body import CLIENT_GONE

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class ServerMetrics:
    """Counters of one server, in a registry of their own."""

    def __init__(self):
        self._registry = registry = prometheus_client.CollectorRegistry()
        prometheus_client.ProcessCollector(registry=registry)
        self._requests = prometheus_client.Counter(
            "keras_gpt3_requests",
            "Requests answered, by signature and HTTP status.",
            ("signature", "code"),
            registry=registry,
        )
        self._seconds = prometheus_client.Histogram(
            "keras_gpt3_request_seconds",
            "Time from the first byte of a request to its answer.",
            ("signature",),
            buckets=_SECONDS,
            registry=registry,
        )
        self.first_piece_seconds = prometheus_client.Histogram(
            "keras_gpt3_first_piece_seconds",
            "Time to the first piece of a stream.",
            buckets=_SECONDS,
            registry=registry,
        )
        self.batch_rows = prometheus_client.Histogram(
            "keras_gpt3_batch_rows",
            "Rows that were run together.",
            ("signature",),
            buckets=(1, 2, 4, 8, 16, 32, 64, 128),
            registry=registry,
        )
        self.first_token_seconds = prometheus_client.Histogram(
            "keras_gpt3_first_token_seconds",
            "Time that an answer waits for its first token.",
            buckets=_SECONDS,
            registry=registry,
        )
        self.generated_tokens = self._counter(
            "generated_tokens", "Tokens generated."
        )
        self.steps = self._counter(
            "steps", "Steps of the model, each a token of every slot."
        )
        self.read_tokens = self._counter(
            "read_tokens", "Tokens of prompts that were read."
        )
        self.reused_tokens = self._counter(
            "reused_tokens",
            "Tokens of prompts that an earlier prompt began with as well.",
        )
        self.drafted_tokens = self._counter(
            "drafted_tokens", "Tokens that were drafted and checked."
        )
        self.accepted_tokens = self._counter(
            "accepted_tokens", "Drafted tokens that became part of answers."
        )
        self._disconnected = prometheus_client.Counter(
            "keras_gpt3_disconnected",
            "Requests whose client disconnected before the answer.",
            registry=registry,
        )

    def _counter(self, name, documentation):
        return prometheus_client.Counter(
            f"keras_gpt3_{name}", documentation, registry=self._registry
        )

    def request(self, signature, code, seconds):
        """Count a request."""
        if code == CLIENT_GONE:
            self._disconnected.inc()
        self._requests.labels(signature, str(code)).inc()
        self._seconds.labels(signature).observe(seconds)

    def watch(self, name, documentation, read):
        """Add a number that is read at each scrape."""
        gauge = prometheus_client.Gauge(
            name, documentation, registry=self._registry
        )
        gauge.set_function(read)

    def text(self):
        """All numbers, in Prometheus' text format."""
        return (
            prometheus_client.generate_latest(self._registry),
            prometheus_client.CONTENT_TYPE_LATEST,
        )
