"""Tokens a second and waiting times of `keras-gpt3 serve` under load.

    python benchmarks/serving.py [--clients 1 8 32 128 500] [--mix plain mixed]

A model of the quickstart's size (4 layers of 128, dense and banded in turn,
GPT-2's vocabulary, 1024 positions) is trained for some steps on the sample
speeches, so that its distributions are those of text, exported, and served in
a process of its own. Closed-loop clients, in another process, request 20 to 100
tokens after 50 to 400 of real text, with fixed seeds; "mixed" gives half of
them top-k 40 and a third top-p 0.9. `--source FOLDER` serves the package of
another checkout, from its own export; given more than once, the sides take
turns, and the last is compared with the first. Prints one JSON object.
"""

import argparse
import contextlib
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import threading

from harness.progress import log
from harness.versions import versions
from sides.serving_clients import ROUTES

_BENCHMARKS = pathlib.Path(__file__).resolve().parent
_CORPUS = _BENCHMARKS.parent / "examples/data/speeches.jsonl.gz"
NEW_TOKENS = (20, 100)
PROMPT_TOKENS = (50, 400)
NUM_PROMPTS = 512
CONTEXT = 1024
# Each in a process of its own: the packages of two checkouts have one name.
TRAIN = f"""
import sys
from harness.small_training import train
train(sys.argv[1], int(sys.argv[2]), {CONTEXT}, 1)
"""
EXPORT = """
import sys
import keras_gpt3
preprocessor = keras_gpt3.GPT3Preprocessor.from_preset(
    "gpt3_small_en", sequence_length=8
)
model = keras_gpt3.GPT3.from_preset(sys.argv[1], preprocessor=preprocessor)
model.export(sys.argv[2], verbose=False)
"""
PROMPTS = f"""
import gzip, json, random, sys
import keras_gpt3
encoding = keras_gpt3.GPT3Tokenizer.from_preset("gpt3_small_en").encoding
with gzip.open(sys.argv[1], "rt", encoding="utf-8") as lines:
    texts = [json.loads(line)["text"] for line in lines]
documents = [ids for ids in map(encoding.encode, texts) if len(ids) > 500]
generator = random.Random(0)
prompts = []
while len(prompts) < {NUM_PROMPTS}:
    ids = generator.choice(documents)
    length = generator.randint(*{PROMPT_TOKENS})
    start = generator.randrange(len(ids) - length)
    prompts.append(encoding.decode(ids[start : start + length]))
with open(sys.argv[2], "w") as file:
    json.dump(prompts, file)
"""


def main():
    """Measures all sides and prints one JSON object."""
    arguments = parse_arguments()
    with contextlib.ExitStack() as stack:
        temporary = stack.enter_context(tempfile.TemporaryDirectory())
        arguments.folder = arguments.folder or pathlib.Path(temporary)
        trained, prompts = prepare(arguments)
        servers = {}
        for number, source in enumerate(arguments.source):
            log(f"exporting for {source}")
            export = pathlib.Path(temporary, str(number))
            run_python(arguments, source, EXPORT, trained, export)
            servers[source] = stack.enter_context(
                Server(arguments, source, export)
            )
        rows = list(measure(arguments, servers, prompts))
    report = {
        "benchmark": "serving",
        "versions": versions("keras-gpt3", "keras", "tensorflow", "uvicorn"),
        "configuration": vars(arguments),
        "rows": rows,
    }
    print(json.dumps(report, indent=2, default=str))


def parse_arguments():
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--source",
        action="append",
        help="a checkout whose package is served; may be given again. "
        "Default: this one",
    )
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--route", choices=ROUTES, default="predict")
    parser.add_argument(
        "--clients", type=int, nargs="+", default=[1, 8, 32, 128, 500]
    )
    parser.add_argument(
        "--mix", nargs="+", choices=("plain", "mixed"), default=["plain"]
    )
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--warm-up", type=float, default=5.0)
    parser.add_argument("--repetitions", type=int, default=1)
    parser.add_argument(
        "--short-beside-long",
        action="store_true",
        help="instead: a request for 4 tokens alone, and beside one for 200",
    )
    parser.add_argument("--steps", type=int, default=40, help="of training")
    parser.add_argument(
        "--folder",
        type=pathlib.Path,
        help="keeps the trained model and the prompts for the next run",
    )
    parser.add_argument(
        "--server-options",
        default="--request-timeout 600",
        help="options of keras-gpt3 serve, in one string",
    )
    arguments = parser.parse_args()
    arguments.source = arguments.source or [str(_BENCHMARKS.parent)]
    if len(set(arguments.source)) < len(arguments.source):
        parser.error("--source must be given once for each checkout")
    return arguments


def prepare(arguments):
    """The trained model's folder and the file of prompts, made if missing."""
    arguments.folder.mkdir(parents=True, exist_ok=True)
    trained = arguments.folder / "trained"
    prompts = arguments.folder / "prompts.json"
    first = arguments.source[0]
    if not trained.exists():
        log(f"training for {arguments.steps} steps")
        run_python(arguments, first, TRAIN, arguments.folder, arguments.steps)
    if not prompts.exists():
        run_python(arguments, first, PROMPTS, _CORPUS, prompts)
    return trained, prompts


def run_python(arguments, source, code, *values):
    """Run code on the package of a checkout."""
    subprocess.run(
        [arguments.python, "-c", code, *map(str, values)],
        check=True,
        cwd=_BENCHMARKS,
        env=environment(source),
        stdout=sys.stderr,
    )


def environment(source):
    """This process's variables, with a checkout's package first."""
    return {"TF_CPP_MIN_LOG_LEVEL": "3"} | os.environ | {"PYTHONPATH": source}


def measure(arguments, servers, prompts):
    """A row for each server, kind of requests and number of clients."""
    if arguments.short_beside_long:
        options = {"command": "short", "seconds": arguments.seconds}
        for source, server in servers.items():
            row = run_clients(arguments, server, options, prompts)
            times = {k: row[k]["latency_seconds"]["p50"] for k in row}
            row["ratio"] = round(times["beside"] / times["alone"], 2)
            yield {"source": source} | row
        return
    for kind in arguments.mix:
        for clients in arguments.clients:
            yield from load_rows(arguments, servers, prompts, kind, clients)


def load_rows(arguments, servers, prompts, kind, clients):
    """A row for each server, which take turns."""
    options = {
        "command": "load",
        "clients": clients,
        "seconds": arguments.seconds,
        "warm_up": arguments.warm_up,
        "requests": {"kind": kind, "new_tokens": NEW_TOKENS},
    }
    runs = {source: [] for source in servers}
    for _ in range(arguments.repetitions):
        for source, server in servers.items():
            log(f"{source}: {kind}, {clients} clients")
            server.start_counting()
            row = run_clients(arguments, server, options, prompts)
            runs[source].append(row | server.memory())
            # A later failure must not lose what is measured.
            log(json.dumps(runs[source][-1]))
    first = None
    for source, measured in runs.items():
        speed = statistics.median(x["tokens_per_second"] for x in measured)
        first = first or speed
        yield {
            "source": source,
            "mix": kind,
            "clients": clients,
            "tokens_per_second": round(speed, 1),
            "to_the_first": round(speed / first, 2) if first else None,
            "runs": measured,
        }


def run_clients(arguments, server, options, prompts):
    """What a process of clients sees."""
    options = options | {
        "port": server.port,
        "route": arguments.route,
        "prompts": str(prompts.resolve()),
    }
    done = subprocess.run(
        [sys.executable, "-m", "sides.serving_clients", json.dumps(options)],
        check=True,
        cwd=_BENCHMARKS,
        stdout=subprocess.PIPE,
    )
    return json.loads(done.stdout)


class Server:
    """A server in a process of its own, and the memory that it holds."""

    def __init__(self, arguments, source, export):
        log(f"starting the server of {source}")
        self._process = subprocess.Popen(
            [arguments.python, "-m", "keras_gpt3", "serve", str(export)]
            + ["--port", "0", *arguments.server_options.split()],
            env=environment(source),
            # Its checkout must not be hidden by the one that is run from.
            cwd=arguments.folder,
            stdout=subprocess.PIPE,
            text=True,
        )
        line = self._process.stdout.readline()
        found = re.search(r":(\d+)$", line.strip())
        if found is None:
            raise RuntimeError(
                "A server must print its address. Received: "
                f"{line!r} from {source}. See its error output."
            )
        self.port = int(found[1])
        self._samples = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def start_counting(self):
        """Forget the memory seen so far."""
        self._samples = []

    def memory(self):
        """The most resident memory, and ten values over the time, in MB."""
        samples = self._samples
        tenths = [samples[i * (len(samples) - 1) // 9] for i in range(10)]
        return {"peak_megabytes": max(samples), "megabytes": tenths}

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self._ended.set()
        self._thread.join()
        self._process.terminate()
        self._process.wait()
        self._process.stdout.close()

    def _watch(self):
        status = pathlib.Path(f"/proc/{self._process.pid}/status")
        while not self._ended.wait(0.5):
            # Nothing of it is left where the server has died.
            for line in status.read_text().splitlines():
                if line.startswith("VmRSS:"):
                    self._samples.append(int(line.split()[1]) // 1024)


if __name__ == "__main__":
    main()
