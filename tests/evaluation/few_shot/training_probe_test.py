import json
import re

import pytest

from keras_gpt3.evaluation import TrainingProbe
from keras_gpt3.evaluation import evaluate
from keras_gpt3.training import ValidationSection
from keras_gpt3.training import plot_run
from keras_gpt3.training import pretrain
from tests.small_gpt3 import small_model
from tests.small_gpt3 import small_text_model
from tests.training.small_run import small_config
from tests.training.small_run import write_shards

TASK = "two_digit_addition"


@pytest.fixture(scope="module")
def model():
    return small_text_model(max_sequence_length=80)


def test_scores_and_samples_are_those_of_single_calls(model):
    section = ValidationSection(
        tasks=[TASK], shots=1, limit=3, samples=["the cat"], sample_tokens=5
    )
    found = TrainingProbe(section, seed=2)(model)
    (result,) = evaluate(model, TASK, 1, seed=2, limit=3, draws=1)
    sampling = {"temperature": 0.8, "top_k": 40, "seed": 2}
    text = model.generate("the cat", max_new_tokens=5, **sampling)
    assert found == {f"tasks/{TASK}": result.value, "samples": [text]}


def test_a_task_that_there_is_not_raises_before_a_model_is_there():
    with pytest.raises(ValueError, match="three_digit_addition"):
        TrainingProbe(ValidationSection(tasks=["three_digits_addition"]))


def test_a_model_without_a_tokenizer_raises():
    probe = TrainingProbe(ValidationSection(samples=["a"]))
    message = (
        "A model must have a preprocessor to be evaluated on texts. Received: "
        "{} without one. Load it with its tokenizer."
    )
    model = small_model()
    message = message.format(model.name)
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        probe.check(model)


@pytest.mark.slow
def test_a_run_logs_and_draws_them(tmp_path, model):
    (tmp_path / "shards").mkdir()
    for seed, part in enumerate(("books", "news", "held")):
        write_shards(tmp_path / "shards" / part, 3000, seed)
    config = small_config(
        tmp_path,
        validation={
            "every_steps": 6,
            "tasks": [TASK],
            "shots": 0,
            "limit": 2,
            "samples": ["the cat"],
            "sample_tokens": 3,
        },
    )
    probe = TrainingProbe(config.validation, config.seed)
    assert pretrain(config, lambda *_: model, verbose=False, probe=probe)
    with open(f"{config.folder}/log.jsonl", encoding="utf-8") as lines:
        records = [json.loads(line) for line in lines]
    held_out = [r for r in records if r["kind"] == "validation"]
    assert [r["step"] for r in held_out] == [0, 6, 12]
    for record in held_out:
        assert 0 <= record[f"tasks/{TASK}"] <= 1
        (sample,) = record["samples"]
        assert sample.startswith("the cat")
    labels = [axes.get_ylabel() for axes in plot_run(config.folder).axes]
    assert "Score of tasks" in labels


def test_a_run_without_a_probe_refuses_them(tmp_path):
    config = small_config(tmp_path, validation={"samples": ["a"]})
    with pytest.raises(ValueError, match="^probe must be given for"):
        pretrain(config, lambda *_: None)
