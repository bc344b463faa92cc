"""All stages of a corpus build, one after the other, in one process."""

import dataclasses
import itertools
import pathlib
import tempfile
import time

from harness.light_package import use_light_package
from harness.side_server import serve

use_light_package()

from keras_gpt3.config_file import read_config
from keras_gpt3.corpus.build import run_stage_of
from keras_gpt3.corpus.corpus_config import CorpusConfig
from keras_gpt3.corpus.pipeline.beam_options import beam_options
from keras_gpt3.corpus.quality.quality_classifier import QualityClassifier
from keras_gpt3.corpus.read.read_file import read_file

# Documents of each class that the classifier is trained on, at most.
_TRAINING_TEXTS = 1000


def build(config, crawl):
    """Reads the config.

    Args:
        config: string. The path of a YAML file of JSON-lines sources.
        crawl: string. The path of a WARC file.

    Returns:
        A pair of the step, a callable, and a dict of facts.
    """
    config = read_config(CorpusConfig, pathlib.Path(config))

    def step():
        with tempfile.TemporaryDirectory() as folder:
            classifier = str(pathlib.Path(folder, "classifier"))
            own = dataclasses.replace(
                config,
                folder=folder,
                filter=dataclasses.replace(
                    config.filter, classifier=classifier
                ),
            )
            return _run(own, crawl)

    return step, {}


def _run(config, crawl):
    """The megabytes of text and the CPU seconds of each stage."""
    rates = {"read, WARC": _timed(lambda: _read_crawl(crawl))}
    rates["read, JSON lines"], inputs = _stage("read", config, [])
    rates["train-filter"] = _timed(lambda: _train(config))
    for name in ("filter", "dedup", "decontaminate", "shard"):
        rates[name], inputs = _stage(name, config, inputs)
    return rates


def _stage(name, config, inputs):
    done = []

    def run():
        stage = run_stage_of(
            name, config, inputs, beam_options(workers=1), False, False
        )
        done.append(stage)
        return stage.totals["all"]["characters_in"]

    return _timed(run), done[0].outputs()


def _timed(run):
    start, cpu_start = time.perf_counter(), time.process_time()
    size = run()
    return {
        "megabytes": size / 1e6,
        "cpu_seconds": time.process_time() - cpu_start,
        "seconds": time.perf_counter() - start,
    }


def _read_crawl(path):
    """Extracts the texts of all pages; their size."""
    return sum(len(item.text) for item in read_file(path, "crawl"))


def _train(config):
    """Trains a classifier of the sources' first texts; their size."""
    texts = [
        [
            item.text
            for path in source.files
            for item in itertools.islice(
                read_file(path, "text"), _TRAINING_TEXTS
            )
        ]
        for source in config.sources.values()
    ]
    QualityClassifier.train(*texts[:2]).save(config.filter.classifier)
    return sum(map(len, texts[0] + texts[1]))


if __name__ == "__main__":
    serve(build, "keras-gpt3", "apache-beam", "trafilatura", "scikit-learn")
