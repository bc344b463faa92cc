import math

import pytest

pytest.importorskip("lm_eval", reason="the extra [evaluate] is not installed")

from keras_gpt3.evaluation.harness.harness_model import HarnessModel
from tests.evaluation.few_shot.pair_scores_test import slow_score
from tests.evaluation.harness_tasks import NAMES
from tests.evaluation.harness_tasks import requests
from tests.evaluation.harness_tasks import write_tasks
from tests.small_gpt3 import talking_model

END = 271


@pytest.fixture(scope="module")
def harness_model():
    return HarnessModel(model=talking_model(), batch_size=3)


class Kept:
    """Stands for the harness' cache."""

    def __init__(self):
        self.rows = []

    def add_partial(self, kind, request, response):
        self.rows.append((kind, request, response))


def test_likelihoods_are_those_of_the_tokens_of_both_texts(harness_model):
    texts = [("the cat", " is"), ("a ", "b"), ("", "the"), ("a" * 60, "b")]
    found = harness_model.loglikelihood(
        requests("loglikelihood", *texts), disable_tqdm=True
    )
    encode = harness_model.tok_encode
    pairs = [
        (encode("the cat"), encode(" is")),
        (encode("a"), encode(" b")),
        ([END], encode("the")),
        (encode("a" * 40), encode("b")),  # Cut to the window.
    ]
    for (log_likelihood, is_greedy), pair in zip(found, pairs, strict=True):
        expected = slow_score(harness_model.model, *pair)
        # float32 sums in another order.
        assert log_likelihood == pytest.approx(expected[0], rel=1e-5)
        assert is_greedy == expected[1]


@pytest.mark.parametrize("text", ["", "the cat", "hello world " * 12])
def test_a_rolling_likelihood_counts_each_token_once(text):
    model = HarnessModel(model=talking_model(), max_length=10)
    ids = model.tok_encode(text)
    (found,) = model.loglikelihood_rolling(
        requests("loglikelihood_rolling", (text,)), disable_tqdm=True
    )
    expected = []
    for start in range(0, len(ids), 10):
        # The last window reaches back, so that it is full.
        part = ids[start : start + 10]
        before = [END, *ids][: start + 1][-(11 - len(part)) :]
        expected.append(slow_score(model.model, before, part)[0])
    assert found == pytest.approx(math.fsum(expected), rel=1e-5)


def test_answers_come_in_the_order_of_requests_of_unlike_options(
    harness_model,
):
    texts = ["the cat", "a", "the cat"]
    options = [{"max_gen_toks": n, "until": ["#"]} for n in (4, 9, 9)]
    found = harness_model.generate_until(
        requests("generate_until", *zip(texts, options, strict=True)),
        disable_tqdm=True,
    )
    expected = [
        talking_model().generate(
            text,
            max_new_tokens=option["max_gen_toks"],
            stop="#",
            strip_prompt=True,
        )
        for text, option in zip(texts, options, strict=True)
    ]
    assert found == expected


def test_draws_of_one_prompt_differ(harness_model):
    options = {"max_gen_toks": 6, "do_sample": True, "temperature": 1.5}
    same = requests("generate_until", *[("the cat", options)] * 3)
    first = harness_model.generate_until(same, disable_tqdm=True)
    assert len(set(first)) > 1
    # What the harness knows from before, and leaves out, does not matter.
    others = requests("generate_until", ("a", options), ("hello", options))
    for chosen in (same, [*others, *same]):
        again = harness_model.generate_until(chosen, disable_tqdm=True)
        assert again[-3:] == first


def test_responses_are_kept_as_they_come(harness_model, monkeypatch):
    kept = Kept()
    monkeypatch.setattr(harness_model, "cache_hook", kept)
    options = {"max_gen_toks": 2}
    likely = harness_model.loglikelihood(
        requests("loglikelihood", ("a", "b")), disable_tqdm=True
    )
    rolling = harness_model.loglikelihood_rolling(
        requests("loglikelihood_rolling", ("abc",)), disable_tqdm=True
    )
    answer = harness_model.generate_until(
        requests("generate_until", ("a", options)), disable_tqdm=True
    )
    assert kept.rows == [
        ("loglikelihood", ("a", "b"), likely[0]),
        ("loglikelihood_rolling", ("abc",), rolling[0]),
        ("generate_until", ("a", options), answer[0]),
    ]


def test_there_is_no_chat_template(harness_model):
    assert harness_model.chat_template(False) == ""
    for ask in (harness_model.chat_template, harness_model.apply_chat_template):
        with pytest.raises(
            ValueError, match="apply_chat_template must be left"
        ):
            ask(True)


def test_arguments_of_the_model_override_those_of_the_harness(tmp_path):
    talking_model().save_to_preset(tmp_path)
    made = HarnessModel.create_from_arg_string(
        f"preset={tmp_path},batch_size=5,max_length=20",
        {"batch_size": 1, "device": "cuda:0", "max_batch_size": None},
    )
    assert (made.batch_size, made.max_length) == (5, 20)
    assert made.get_model_info()["model_dtype"] == "float32"


@pytest.mark.parametrize("arguments", [{"seed": -1}, {"max_gen_toks": 0}])
def test_a_wrong_number_raises(arguments):
    with pytest.raises(ValueError, match="must be an integer of at least"):
        HarnessModel(model=talking_model(), **arguments)


@pytest.fixture
def task_manager(tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "data")
    from lm_eval.tasks import TaskManager

    return TaskManager(
        include_path=write_tasks(tmp_path), include_defaults=False
    )


def evaluate(task_manager, model, **arguments):
    import lm_eval

    import keras_gpt3.evaluation  # noqa: F401  Registers the model.

    return lm_eval.simple_evaluate(
        model=model,
        tasks=list(NAMES),
        task_manager=task_manager,
        bootstrap_iters=0,
        **arguments,
    )


@pytest.mark.slow
def test_the_harness_runs_its_tasks_by_name_and_by_instance(
    task_manager, harness_model, tmp_path
):
    talking_model().save_to_preset(tmp_path / "model")
    named = evaluate(
        task_manager,
        "keras-gpt3",
        model_args=f"preset={tmp_path / 'model'},batch_size=3",
        use_cache=str(tmp_path / "kept"),
    )
    given = evaluate(task_manager, harness_model)
    assert set(named["results"]) == set(NAMES)
    for name, found in named["results"].items():
        assert found == given["results"][name]
    again = evaluate(
        task_manager,
        "keras-gpt3",
        model_args={"preset": tmp_path / "model"},
        use_cache=str(tmp_path / "kept"),
    )
    assert again["results"] == named["results"]
