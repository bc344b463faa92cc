"""Measures a model server over REST: latency and tokens a second.

    python examples/serving/measure.py --concurrency 1 4 8 16

Against GPT-3 Small on a few CPU cores it takes some minutes: 32 requests of 64
new tokens for each concurrency, and a bar with the time left. It prints a table
and writes all figures as JSON, by default to runs/serving/measured.json.
"""

import argparse
import collections
import concurrent.futures
import datetime
import json
import math
import os
import pathlib
import sys
import time

import rich.console
import rich.progress
import rich.table
from rest_client import RestClient
from server_metrics import batching_between
from server_metrics import read_metrics
from serving_error import ServingError

# Of several lengths, as those of users are.
PROMPTS = (
    "The people of the United States",
    "Once upon a time",
    "In the beginning of the last century, the sea was",
    "A list of the largest rivers of the world, their lengths, the countries "
    "through which they flow and the seas into which they run:",
)
QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


def main(arguments=None):
    """Measures each concurrency in turn.

    Args:
        arguments: list of strings. Defaults to the process's own.

    Returns:
        The exit code: 0, or 1 with one line on standard error if a request
        was not answered.
    """
    given = _parser().parse_args(arguments)
    client = RestClient(given.url, given.model, given.timeout)
    found = []
    try:
        # The first is slower where no request warmed the model up.
        client.generate([PROMPTS[0]], max_new_tokens=given.max_new_tokens)
        with _progress() as bar:
            for concurrency in given.concurrency:
                title = f"{concurrency} at a time"
                task = bar.add_task(title, total=given.requests)
                found.append(
                    measure(
                        client,
                        given.requests,
                        concurrency,
                        given.max_new_tokens,
                        lambda task=task: bar.advance(task),
                    )
                )
        write(given, found)
    except (ServingError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    rich.console.Console().print(table(found))
    return 1 if any(each["errors"] for each in found) else 0


def measure(client, requests, concurrency, max_new_tokens, advance):
    """Sends requests, so many at a time.

    Args:
        client: `RestClient`.
        requests: int. How many in all.
        concurrency: int. How many at a time.
        max_new_tokens: int. What each requests.
        advance: callable without arguments, called after each.

    Returns:
        A dict of figures.
    """

    def send(seed):
        begin = time.perf_counter()
        try:
            (row,) = client.generate(
                [PROMPTS[seed % len(PROMPTS)]],
                max_new_tokens=max_new_tokens,
                # Another draw each time.
                seed=seed,
            )
        except ServingError as error:
            return str(error), 0
        finally:
            advance()
        return time.perf_counter() - begin, row["num_tokens"]

    before = read_metrics(client.url)
    begin = time.perf_counter()
    with concurrent.futures.ThreadPoolExecutor(concurrency) as pool:
        answers = list(pool.map(send, range(requests)))
    elapsed = time.perf_counter() - begin
    seconds = [each for each, _ in answers if isinstance(each, float)]
    errors = [each for each, _ in answers if isinstance(each, str)]
    return {
        "concurrency": concurrency,
        "answered": len(seconds),
        "seconds": elapsed,
        "latency_seconds": latencies(seconds),
        "tokens_per_second": sum(tokens for _, tokens in answers) / elapsed,
        "requests_per_second": len(seconds) / elapsed,
        "batching": batching_between(before, read_metrics(client.url)),
        "errors": dict(collections.Counter(errors)),
    }


def latencies(seconds):
    """Quantiles by nearest rank: each is the latency of some request.

    Args:
        seconds: list of floats.

    Returns:
        A dict of `p50`, `p95`, `p99`, `mean` and `max`; `None` if empty.
    """
    if not seconds:
        return None
    ranked = sorted(seconds)
    found = {
        name: ranked[math.ceil(share * len(ranked)) - 1]
        for name, share in QUANTILES.items()
    }
    mean = sum(ranked) / len(ranked)
    return found | {"mean": mean, "max": ranked[-1]}


def write(given, found):
    """Writes the figures, with what was requested, whole or not at all."""
    report = {
        "date": datetime.datetime.now(datetime.UTC).isoformat("T", "seconds"),
        "url": given.url,
        "model": given.model,
        "requests": given.requests,
        "max_new_tokens": given.max_new_tokens,
        "measured": found,
    }
    given.out.parent.mkdir(parents=True, exist_ok=True)
    partial = given.out.with_name(given.out.name + ".partial")
    partial.write_text(json.dumps(report, indent=2) + "\n", "utf-8")
    os.replace(partial, given.out)


def table(found):
    """The figures that matter most, a line a concurrency."""
    columns = ["at a time", *QUANTILES, "tokens/s", "batch", "queue", "errors"]
    shown = rich.table.Table(*columns)
    for each in found:
        latency, batching = each["latency_seconds"], each["batching"]
        quantiles = [
            f"{latency[k]:.2f} s" if latency else "" for k in QUANTILES
        ]
        batch, queue = "", ""
        if batching:
            batch = f"{batching['mean_batch_size']:.1f}"
            queue = f"{batching['mean_queue_ms']:.0f} ms"
        shown.add_row(
            str(each["concurrency"]),
            *quantiles,
            f"{each['tokens_per_second']:.1f}",
            batch,
            queue,
            str(sum(each["errors"].values())),
        )
    return shown


def _progress():
    return rich.progress.Progress(
        rich.progress.TextColumn("{task.description}"),
        rich.progress.BarColumn(),
        rich.progress.MofNCompleteColumn(),
        rich.progress.TimeElapsedColumn(),
        rich.progress.TextColumn("elapsed, left:"),
        rich.progress.TimeRemainingColumn(),
        # Not rich's own, which keeps what its first output was like.
        console=rich.console.Console(stderr=True),
    )


def _parser():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--url", default="http://localhost:8501")
    parser.add_argument("--model", default="gpt3", help="its name there")
    parser.add_argument("--timeout", type=float, default=120, help="seconds")
    parser.add_argument(
        "--concurrency",
        type=_at_least_one,
        nargs="+",
        default=[1, 4, 8],
        help="requests at a time",
    )
    parser.add_argument(
        "--requests",
        type=_at_least_one,
        default=32,
        help="for each concurrency",
    )
    parser.add_argument("--max-new-tokens", type=_at_least_one, default=64)
    parser.add_argument(
        "--out",
        type=pathlib.Path,
        default=pathlib.Path("runs/serving/measured.json"),
        help="the file to write",
    )
    return parser


def _at_least_one(text):
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, not {number}")
    return number


if __name__ == "__main__":
    sys.exit(main())
