import dataclasses
import functools
import logging

import numpy as np
import pytest

from keras_gpt3.evaluation.few_shot import evaluate as evaluation
from keras_gpt3.evaluation.few_shot.evaluate import EvaluationRun
from keras_gpt3.evaluation.few_shot.evaluate import quiet_tracing
from keras_gpt3.evaluation.few_shot.question import make_questions
from keras_gpt3.evaluation.task_definitions.task_examples import Example
from tests.evaluation.small_tasks import choosing
from tests.evaluation.small_tasks import choosing_records
from tests.evaluation.small_tasks import telling
from tests.evaluation.small_tasks import telling_records
from tests.small_gpt3 import small_text_model
from tests.small_gpt3 import talking_model

# === Evaluation run ===


RECORDS = {
    "choosing": {"train": choosing_records(9, 1), "test": choosing_records(20)},
    "telling": {"train": telling_records(9, 1), "test": telling_records(6)},
}


def run(tasks=None, model=None, **arguments):
    tasks = tasks or [choosing()]
    records = {task.name: RECORDS[task.name] for task in tasks}
    arguments = {"records": records, "verbose": False} | arguments
    results = EvaluationRun(tasks, **arguments)(model or talking_model())
    return [result for part in results for result in part]


def test_samples_of_tasks_that_draw_none_are_refused():
    message = "a task that draws texts without a score. Received: samples=5"
    with pytest.raises(ValueError, match=message):
        run(samples=5)


@pytest.fixture
def asked(monkeypatch):
    """The questions that are asked, in their order."""
    questions = []
    real = evaluation.score_examples

    def ask(model, task, some, *settings):
        some = list(some)
        questions.extend(some)
        return real(model, task, some, *settings)

    monkeypatch.setattr(evaluation, "score_examples", ask)
    return questions


def slow_accuracy():
    """Zero-shot accuracy, a choice at a time."""
    right = []
    for record in RECORDS["choosing"]["test"]:
        scores = [
            talking_model().score(record["q"], c) for c in record["choices"]
        ]
        means = [s.log_likelihood / len(s.token_ids) for s in scores]
        right.append(np.argmax(means) == record["label"])
    return np.mean(right)


def test_zero_shot_accuracy_is_that_of_single_calls():
    (result,) = run(shots=0, name="mine")
    assert result.value == slow_accuracy()
    expected = {
        "task": "choosing",
        "model": "mine",
        "shots": 0,
        "metric": "accuracy",
        "num_examples": 20,
        "mean_shots": 0.0,
        "num_parameters": talking_model().count_params(),
    }
    assert expected.items() <= dataclasses.asdict(result).items()


# === The cache ===


@pytest.mark.parametrize("draws", [None, 1, 3])
@pytest.mark.quick_cases(1)
def test_all_is_a_function_of_the_seed(draws, tmp_path):
    runs = [
        run(shots=2, seed=seed, draws=draws, cache=tmp_path / str(i))
        for i, seed in enumerate((0, 0, 1))
    ]
    assert runs[0] == runs[1]
    texts = []
    for folder in sorted(tmp_path.iterdir()):
        (path,) = folder.iterdir()
        texts.append(path.read_text().split("\n", 1)[1])
    assert texts[0] == texts[1] != texts[2]


def test_what_is_known_is_not_asked_again(tmp_path, asked):
    first = run(shots=2, cache=tmp_path)
    assert len(asked) == 20
    (path,) = tmp_path.iterdir()
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:9]) + lines[9][:5])
    again = run(shots=2, cache=tmp_path)
    assert len(asked) == 20 + 12
    assert again[0].value == first[0].value
    assert run(shots=2, cache=tmp_path) == again
    assert len(asked) == 20 + 12


def test_what_is_known_is_not_even_encoded(tmp_path, monkeypatch):
    run(shots=2, cache=tmp_path)
    tokenizer = talking_model().preprocessor.tokenizer

    def encode(text):
        pytest.fail(f"encoded again: {text}")

    monkeypatch.setattr(tokenizer, "encode_to_numpy", encode)
    run(shots=2, cache=tmp_path)


def test_a_limit_only_says_how_far_to_go(tmp_path, asked):
    run(shots=(0, 2), limit=3, cache=tmp_path)
    assert len(asked) == 2 * 3
    found = run(shots=(0, 2), cache=tmp_path)
    assert len(asked) == 2 * 20
    assert found == run(shots=(0, 2))
    limited = run(shots=(0, 2), limit=3, cache=tmp_path)
    assert limited == run(shots=(0, 2), limit=3)
    assert len(list(tmp_path.iterdir())) == 2


def test_no_demonstrations_depend_on_no_other_k(tmp_path, asked):
    run(shots=(0, 2), cache=tmp_path, limit=2)
    del asked[:]
    other = {"train": choosing_records(5, 3), **RECORDS["choosing"]}
    run(shots=0, cache=tmp_path, limit=2, records={"choosing": other})
    assert asked == []


def test_where_records_are_read_changes_nothing(tmp_path, asked):
    for name in ("one", "other"):
        records = [dict(record) for record in RECORDS["choosing"]["test"][:2]]
        run(
            shots=0,
            cache=tmp_path,
            records={"choosing": {"test": records, name: []}},
        )
    assert len(asked) == 2


@pytest.mark.parametrize(
    ("arguments", "count"),
    [
        ({"tasks": [choosing(delimiter="\n\n")]}, 4),
        ({"shots": 1}, 4),
        ({"seed": 1}, 4),
        ({"draws": 1}, 4),
        # One record is another: only that one is asked.
        ({"test": [*choosing_records(3), *choosing_records(1, 5)]}, 1),
        ({"train": choosing_records(9, 2)}, 4),
    ],
)
def test_what_is_another_evaluation_is_asked_anew(
    arguments, count, tmp_path, asked
):
    splits = {"train": choosing_records(9, 1), "test": choosing_records(4)}
    base = {"shots": 2, "cache": tmp_path}
    run(records={"choosing": splits}, **base)
    del asked[:]
    changed = {k: arguments[k] for k in ("train", "test") if k in arguments}
    others = {k: v for k, v in arguments.items() if k not in changed}
    run(**base | {"records": {"choosing": splits | changed}} | others)
    assert len(asked) == count


def test_tasks_without_a_score_leave_their_texts(tmp_path):
    task = telling(scoring="none", metrics=())
    with pytest.raises(ValueError, match="cache must be a folder for tasks"):
        run([task])
    assert run([task], cache=tmp_path, limit=2) == []
    (path,) = tmp_path.iterdir()
    assert path.read_text().count("predicted") == 2
    records = {"telling": RECORDS["telling"]}
    again = EvaluationRun([task], records=records, cache=tmp_path, limit=2)
    assert list(again(talking_model())) == []
    ((task, shots, examples, outcomes),) = again.written
    assert (task.name, shots) == ("telling", 1)
    assert len(examples) == len(outcomes) > 0


def test_an_example_is_not_shown_to_itself_where_the_splits_are_one(asked):
    records = {"choosing": {"train": choosing_records(9)}}
    records["choosing"]["test"] = records["choosing"]["train"]
    run(shots=2, records=records)
    tokenizer = talking_model().preprocessor.tokenizer
    for question in asked:
        *shown, _ = tokenizer.detokenize(list(question.prompts[0])).split("\n")
        assert len(shown) == 2
        assert question.example.demonstration not in shown


# === What is wrong comes first ===


def test_no_model_is_asked_where_the_last_task_is_wrong(asked):
    tasks = [choosing(), telling(scoring="greedy")]
    records = RECORDS | {
        "telling": {"test": [{"q": "the " * 60, "a": " 1"}], "train": []}
    }
    with pytest.raises(ValueError, match="of an answer for telling, test, rec"):
        run(tasks, shots=0, records=records)
    with pytest.raises(ValueError, match="shots=1, with 0 in the training"):
        EvaluationRun(tasks, shots=1, records=records)
    assert asked == []


def test_finished_results_come_before_a_later_failure(monkeypatch):
    tasks = [choosing(), telling(scoring="greedy", metrics=("accuracy",))]
    results = EvaluationRun(tasks, 0, records=RECORDS, limit=2, verbose=False)(
        talking_model()
    )
    assert next(results)[0].task == "choosing"
    monkeypatch.setattr(evaluation, "score_examples", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        next(results)


# === The shared prefix ===


@functools.cache
def long_model():
    """A model with room for many demonstrations."""
    model = small_text_model(max_sequence_length=512, num_layers=1)
    generator = np.random.default_rng(0)
    for weight in model.weights:
        noise = generator.normal(size=weight.shape, scale=0.4)
        weight.assign(noise + ("gamma" in weight.path))
    return model


@pytest.fixture
def read(monkeypatch):
    """How many tokens the model reads, call by call."""
    kind, counts = type(long_model()), []
    prefix, score = kind.prefix, kind.score

    def counted_prefix(self, ids):
        counts.append(len(ids))
        return prefix(self, ids)

    def counted_score(self, contexts, continuations, **arguments):
        counts.append(sum(map(len, [*contexts, *continuations])))
        return score(self, contexts, continuations, **arguments)

    monkeypatch.setattr(kind, "prefix", counted_prefix)
    monkeypatch.setattr(kind, "score", counted_score)
    return counts


@pytest.mark.parametrize(
    ("scoring", "draws", "least"),
    [
        # All prompts share the demonstrations.
        ("greedy", 1, 5),
        ("per_token", 1, 5),
        # The six choices of a question share its prompt.
        ("per_token", None, 2.5),
        # Nothing is shared.
        ("greedy", None, 1),
    ],
)
@pytest.mark.quick_cases(1)
def test_what_prompts_share_is_read_once(scoring, draws, least, read):
    choices = tuple(f" {word}" for word in ("the", "12", "a", "b", "c", "d"))
    examples = [
        Example(f"the {i} cat {i * 7} =", (choices[0],), choices, 0)
        for i in range(80)
    ]
    train, test = examples[:50], examples[50:]
    task = choosing(scoring=scoring)
    arguments = {"shots": 50, "draws": draws}
    questions = list(
        make_questions(long_model(), task, train, test, **arguments)
    )
    pairs = [pair for question in questions for pair in question.pairs]
    whole = sum(len(prompt) + len(answer) for prompt, answer in pairs)
    assert min(len(prompt) for prompt, _ in pairs) > 400
    found = list(evaluation.score_examples(long_model(), task, questions))
    assert whole / sum(read) >= least
    check_scores({o.index: o for o in found}, questions)


def check_scores(outcomes, questions):
    """Compares with whole prompts, scored at once."""
    for question in questions[:3]:
        scores = long_model().score(
            [list(prompt) for prompt, _ in question.pairs],
            [list(answer) for _, answer in question.pairs],
        )
        np.testing.assert_allclose(
            outcomes[question.index].log_likelihoods,
            [score.log_likelihood for score in scores],
            atol=1e-4,
        )


def test_tensorflow_does_not_complain_of_shapes(caplog):
    model = small_text_model(max_sequence_length=256, num_layers=1)
    # Nine shapes.
    counts = (16, 24, 32, 48, 64, 96, 128, 192, 230)
    test = [{"q": " the" * count, "a": " 1"} for count in counts]
    with caplog.at_level(logging.WARNING):
        run(
            [telling(scoring="greedy", metrics=("accuracy",))],
            model,
            shots=0,
            batch_size=1,
            records={"telling": {"test": test}},
        )
    assert "retracing" not in caplog.text


# === Quiet tracing ===


LOGGER = logging.getLogger("tensorflow")
MESSAGE = "5 out of the last 5 calls to %s triggered tf.function retracing."


def test_only_warnings_of_retracing_are_dropped_and_only_inside(caplog):
    with quiet_tracing():
        LOGGER.warning(MESSAGE, "forward")
        LOGGER.warning("Another one")
    assert caplog.messages == ["Another one"]
    LOGGER.warning(MESSAGE, "forward")
    assert len(caplog.messages) == 2
