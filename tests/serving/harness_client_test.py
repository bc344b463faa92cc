"""lm-evaluation-harness' client of OpenAI's route, against the server."""

import hashlib
import importlib.resources

import numpy as np
import pytest

pytest.importorskip("lm_eval", reason="lm-eval[api] is not installed")
pytest.importorskip("tenacity", reason="lm-eval[api] is not installed")

import lm_eval
from lm_eval.tasks import TaskManager

from keras_gpt3 import GPT3
from keras_gpt3 import GPT3Preprocessor
from keras_gpt3.evaluation.harness.harness_model import HarnessModel
from keras_gpt3.serving.model_server import ModelServer
from keras_gpt3.serving.server_settings import ServerSettings
from tests.evaluation.harness_tasks import write_tasks
from tests.serving.running_server import running

pytestmark = pytest.mark.slow
CONTEXT = 128
TASK = "keras_gpt3_choices"
URL = "https://openaipublic.blob.core.windows.net/gpt-2/encodings/main/"


@pytest.fixture(scope="module")
def model():
    """A small one of GPT-2's vocabulary, far from ties."""
    preprocessor = GPT3Preprocessor.from_preset(
        "gpt3_small_en", sequence_length=8
    )
    model = GPT3.from_preset(
        "gpt3_small_en",
        preprocessor=preprocessor,
        num_layers=2,
        num_heads=2,
        hidden_dim=16,
        intermediate_dim=32,
        max_sequence_length=CONTEXT,
        attention_window=16,
    )
    generator = np.random.default_rng(4)
    model.set_weights(
        [w + generator.normal(0, 0.3, w.shape) for w in model.get_weights()]
    )
    return model


@pytest.fixture
def offline_tiktoken(tmp_path, monkeypatch):
    """tiktoken's cache, with the two files that it would download."""
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    presets = importlib.resources.files("keras_gpt3.presets")
    for name in ("vocab.bpe", "encoder.json"):
        key = hashlib.sha1(f"{URL}{name}".encode()).hexdigest()
        (tmp_path / key).write_bytes((presets / name).read_bytes())


def responses(tasks, **options):
    """What a model answers to each request of the task, and the metrics."""
    found = lm_eval.simple_evaluate(
        tasks=[TASK],
        task_manager=TaskManager(include_path=tasks),
        log_samples=True,
        bootstrap_iters=0,
        **options,
    )
    samples = found["samples"][TASK]
    return [sample["filtered_resps"] for sample in samples], {
        name: value
        for name, value in found["results"][TASK].items()
        if name.startswith("acc")
    }


def test_likelihoods_through_the_server_are_those_of_the_process(
    model, tmp_path, offline_tiktoken
):
    tasks = tmp_path / "tasks"
    tasks.mkdir()
    tasks = write_tasks(tasks)
    expected, metrics = responses(tasks, model=HarnessModel(model=model))
    model.export(tmp_path / "export", name="gpt2", verbose=False)
    server = ModelServer(tmp_path / "export", ServerSettings(name="gpt2"))
    with running(server) as (host, port):
        found, own_metrics = responses(
            tasks,
            model="local-completions",
            model_args={
                "model": "gpt2",
                "base_url": f"http://{host}:{port}/v1/completions",
                "tokenizer_backend": "tiktoken",
                "max_length": CONTEXT,
                "num_concurrent": 2,
                "batch_size": 4,
            },
        )
    assert own_metrics == metrics
    assert len(found) == len(expected) == 8
    for row, own in zip(found, expected, strict=True):
        for (log_likelihood, is_greedy), other in zip(row, own, strict=True):
            assert log_likelihood == pytest.approx(other[0], abs=1e-4)
            assert is_greedy == other[1]
