"""Corpus preparation: speed, growth, recall, and datatrove on the same task.

    pip install "datatrove[io,processing]" spacy
    python benchmarks/corpus.py

Takes 8 minutes on 2 cores. Where datatrove is installed in an environment of
its own, `--datatrove-python PATH` names its Python. Measures

- the megabytes of text that each stage of a build works through in a second of
  one processor, over the sample novels and encyclopedia;
- stage `dedup` against datatrove's four steps of MinHash, in turn, each in a
  process of its own, both with the paper's 10 hashes of single words in 5
  bands; datatrove once as it comes and once with words split at spaces;
- the growth of time and memory of stage `dedup` from 1,000 documents to
  100,000, each number in a process of its own;
- the share found of documents of which 1 to 40% of the words were edited,
  beside the share that the theory of 10 hashes predicts, and the precision;
- the classifier's AUC on texts held out.

Prints JSON; `--out FOLDER` keeps it, with the figure of recall. Seconds are
those of the processor, since others may share the cores; the load is printed.
"""

import argparse
import itertools
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

import yaml
from harness.alternation import alternate
from harness.corpus_quality import classifier_quality
from harness.corpus_quality import duplicate_quality
from harness.corpus_quality import plot_recall
from harness.growth import slope
from harness.light_package import use_light_package
from harness.progress import log
from harness.side_process import SideProcess
from harness.versions import versions

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT))  # The documents are those of the tests.
use_light_package()

from keras_gpt3.corpus.pipeline.part_file import written_part
from tests.fixtures.corpus.planted_duplicates import bootstrapped_documents

SAMPLES = ROOT / "examples" / "data"
EXAMPLE = ROOT / "examples" / "corpus" / "data"
# How datatrove splits texts into words: as it comes, and the quickest way.
SIDES = ("words", "spaces")
COUNTS = (1_000, 3_000, 10_000, 30_000, 100_000)
# From here on what is done once no longer shows.
LARGE = 10_000
# Documents of a part, in the growth: as files of a corpus have one size.
PART = 5_000


def main():
    """Measures all, and prints one JSON object."""
    arguments = parse_arguments()
    python = arguments.datatrove_python
    check_datatrove(python)
    with tempfile.TemporaryDirectory() as folder:
        report = {
            "benchmark": "corpus",
            "versions": versions(
                "keras-gpt3", "apache-beam", "numpy", "scikit-learn"
            ),
            "load_before": os.getloadavg(),
            "stages": stages(folder, arguments.repetitions),
            "datatrove": {
                side: against_datatrove(
                    folder, python, side, count, arguments.repetitions
                )
                for side, count in zip(SIDES, arguments.documents, strict=True)
            },
            "growth": growth(folder, arguments.counts),
            "duplicates": duplicate_quality(pathlib.Path(folder)),
            "classifier": classifier_quality(),
            "load_after": os.getloadavg(),
        }
    text = json.dumps(report, indent=2)
    if arguments.out:
        arguments.out.mkdir(parents=True, exist_ok=True)
        (arguments.out / "corpus.json").write_text(text + "\n", "utf-8")
        plot_recall(report["duplicates"], arguments.out / "corpus_recall.png")
    print(text)


def parse_arguments():
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--datatrove-python", default=sys.executable)
    # Of the slow side fewer.
    parser.add_argument(
        "--documents", type=int, nargs=2, default=(3_000, 20_000)
    )
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--counts", type=int, nargs="+", default=COUNTS)
    parser.add_argument("--out", type=pathlib.Path)
    return parser.parse_args()


def check_datatrove(python):
    """Ends with a sentence unless a Python has datatrove."""
    code = "import datatrove.pipeline.dedup, orjson, spacy"
    run = subprocess.run([python, "-c", code], capture_output=True)
    if run.returncode:
        sys.exit(
            "The benchmark must have datatrove to compare with. Received: "
            f"--datatrove-python {python}, which cannot import it. Run `pip "
            'install "datatrove[io,processing]" spacy` there, or name another.'
        )


def stages(folder, repetitions):
    """Megabytes of text a second of one processor, of each stage."""
    sources = {
        name: {
            "files": [str(SAMPLES / f"{name}.jsonl.gz")],
            "quality_filter": True,
        }
        for name in ("encyclopedia", "novels")
    }
    config = {
        "folder": "stages",
        "sources": sources,
        "read": {"languages": ["en"]},
        "decontaminate": {"texts": [str(EXAMPLE / "evaluation.jsonl")]},
    }
    path = pathlib.Path(folder, "stages.yaml")
    path.write_text(yaml.safe_dump(config), "utf-8")
    options = {"config": str(path), "crawl": str(EXAMPLE / "crawl.warc.gz")}
    with SideProcess("stages", "sides.corpus_stages_side", options) as side:
        # The first step imports.
        runs = alternate({"stages": side}, repetitions)["stages"]
    if "error" in runs:
        return runs
    return {
        name: stage_summary([run[name] for run in runs["results"]])
        for name in runs["results"][0]
    }


def stage_summary(runs):
    """The summary of a stage: its text, and the median of its rate."""
    rates = [run["megabytes"] / run["cpu_seconds"] for run in runs]
    return {
        "megabytes": round(runs[0]["megabytes"], 2),
        "megabytes_per_cpu_second": round(statistics.median(rates), 2),
    }


def against_datatrove(folder, python, side, count, repetitions):
    """Both sides over the same documents, in turn."""
    folder = pathlib.Path(folder, side)
    own = write_documents(folder / "own", count)
    other = folder / "other"
    size = write_json_lines(other / "documents.jsonl", count)
    with (
        SideProcess(
            "keras_gpt3", "sides.corpus_dedup_side", {"folder": str(own)}
        ) as ours,
        SideProcess(
            f"datatrove, {side}",
            "sides.datatrove_side",
            {"folder": str(other), "side": side},
            python,
        ) as theirs,
    ):
        sides = {"keras_gpt3": ours, "datatrove": theirs}
        found = alternate(sides, repetitions)
        used = theirs.ready.get("versions")
    return {
        "documents": count,
        "megabytes": round(size / 1e6, 2),
        "versions": used,
        "sides": {
            name: cpu_summary(runs, size, found["keras_gpt3"])
            for name, runs in found.items()
        },
    }


def cpu_summary(runs, size, ours):
    """The summary of a side."""
    if "error" in runs or "error" in ours:
        return runs
    seconds, own = (
        statistics.median(run["cpu_seconds"] for run in side["results"])
        for side in (runs, ours)
    )
    return {
        "cpu_seconds": round(seconds, 2),
        "megabytes_per_cpu_second": round(size / 1e6 / seconds, 2),
        "over_keras_gpt3": round(seconds / own, 2),
        "dropped": runs["results"][0]["dropped"],
        "peak_megabytes": runs["peak_bytes"] // 10**6,
    }


def growth(folder, counts):
    """CPU seconds and peak memory over the number of documents."""
    rows = [{"documents": count, **grown(folder, count)} for count in counts]
    large = [row for row in rows if row["documents"] >= LARGE]
    return {
        "rows": rows,
        "slope": exponent(rows),
        f"slope_from_{LARGE}": exponent(large),
    }


def grown(folder, count):
    """What one number of documents takes."""
    path = write_documents(pathlib.Path(folder, f"{count}"), count)
    name = f"{count:,} documents"
    with SideProcess(
        name, "sides.corpus_dedup_side", {"folder": str(path)}
    ) as side:
        ready = side.ready
    if "error" in ready:
        return ready
    step = ready["first_step"]
    return {
        "cpu_seconds": round(step["result"]["cpu_seconds"], 2),
        "peak_megabytes": step["peak_bytes"] // 10**6,
        "dropped": step["result"]["dropped"],
    }


def exponent(rows):
    """With which power of the documents the time grows."""
    counts = [row["documents"] for row in rows]
    return slope(counts, [row.get("cpu_seconds") for row in rows])


def write_documents(folder, count):
    """Writes documents, a tenth of them copies, in parts."""
    log(f"writing {count:,} documents")
    documents = bootstrapped_documents(count)
    for number in range(-(-count // PART)):
        with written_part(folder / f"part-{number:05}.jsonl.zst") as write:
            for document in itertools.islice(documents, PART):
                write(document)
    return folder


def write_json_lines(path, count):
    """Writes the same documents as lines of JSON; their characters."""
    path.parent.mkdir(parents=True)
    size = 0
    with open(path, "w", encoding="utf-8") as file:
        for document in bootstrapped_documents(count):
            row = {"id": document.id, "text": document.text}
            file.write(json.dumps(row) + "\n")
            size += len(document.text)
    return size


if __name__ == "__main__":
    main()
