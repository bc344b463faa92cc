"""What TensorFlow Serving counts, read from its page for Prometheus."""

import re
import urllib.error
import urllib.request

_PATH = "/monitoring/prometheus/metrics"
_SESSION = ":tensorflow:serving:batching_session:"
# The total and the number of what a histogram holds, under any labels.
_LINE = re.compile(r"(:tensorflow:[\w:]+_(?:sum|count))\{.*\} (\S+)")


def read_metrics(url, timeout=10):
    """Reads the totals of the server's histograms.

    Args:
        url: string. Such as `"http://localhost:8501"`.
        timeout: number. Seconds to wait.

    Returns:
        A dict of metric name to float, or `None` if the server has no such
        page.
    """
    try:
        with urllib.request.urlopen(url + _PATH, timeout=timeout) as reply:
            text = reply.read().decode("utf-8", "replace")
    except urllib.error.HTTPError as error:
        error.close()
        return None
    totals = {}
    for name, value in _LINE.findall(text):
        totals[name] = totals.get(name, 0.0) + float(value)
    return totals


def batching_between(before, after):
    """Says how the server formed batches between two readings.

    Args:
        before: dict, or `None`; see `read_metrics`.
        after: dict, or `None`.

    Returns:
        A dict of `batches`, `mean_batch_size` (with the rows that only fill
        a batch up), `mean_padding` (such rows) and `mean_queue_ms`, which is
        what a request waited; or `None` if the server formed no batch.
    """
    if before is None or after is None:
        return None

    def grown(name):
        name = _SESSION + name
        return after.get(name, 0.0) - before.get(name, 0.0)

    def mean(name):
        return grown(f"{name}_sum") / max(grown(f"{name}_count"), 1)

    batches = grown("processed_batch_size_count")
    if not batches:
        return None
    return {
        "batches": int(batches),
        "mean_batch_size": mean("processed_batch_size"),
        "mean_padding": mean("padding_size"),
        # The server counts microseconds.
        "mean_queue_ms": mean("queuing_latency") / 1000,
    }
