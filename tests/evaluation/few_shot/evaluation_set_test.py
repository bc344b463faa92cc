import json
import re

import pytest

from keras_gpt3 import GPT3
from keras_gpt3 import GPT3Preprocessor
from keras_gpt3 import GPT3Tokenizer
from keras_gpt3.evaluation.few_shot import evaluation_run as module
from keras_gpt3.evaluation.few_shot.evaluation_run import load_evaluation_sets
from keras_gpt3.evaluation.few_shot.evaluation_run import model_fingerprint
from tests.evaluation.small_tasks import choosing
from tests.evaluation.small_tasks import choosing_records
from tests.evaluation.small_tasks import telling
from tests.evaluation.small_tasks import telling_records
from tests.small_gpt3 import small_model
from tests.small_gpt3 import small_text_model
from tests.tokenization.small_vocabulary import small_vocabulary

# === Evaluation set ===


RECORDS = {
    "choosing": {"train": choosing_records(9, 1), "test": choosing_records(5)},
    "telling": {"train": telling_records(4, 1), "test": telling_records(6)},
}


def load(tasks=None, shots=None, records=RECORDS, **arguments):
    tasks = tasks or [choosing(), telling()]
    return load_evaluation_sets(tasks, shots, records=records, **arguments)


def test_all_examples_of_all_tasks_are_there():
    one, other = load()
    assert (one.task.name, other.task.name) == ("choosing", "telling")
    assert (len(one.train), len(one.test)) == (9, 5)
    assert (one.shots, other.shots) == ((2,), (1,))


@pytest.mark.parametrize(
    ("shots", "expected"), [(3, (3,)), ([0, 1], (0, 1)), (range(2), (0, 1))]
)
def test_the_same_shots_are_for_all_tasks(shots, expected):
    assert [one.shots for one in load(shots=shots)] == [expected] * 2


def test_zero_shots_need_no_training_split(tmp_path):
    (tmp_path / "choosing").mkdir()
    lines = "\n".join(map(json.dumps, choosing_records(2)))
    (tmp_path / "choosing/test.jsonl").write_text(lines)
    (one,) = load([choosing()], 0, None, data=tmp_path)
    assert (len(one.test), one.train) == (2, [])
    with pytest.raises(FileNotFoundError, match="must have the split train"):
        load([choosing()], (0, 1), None, data=tmp_path)


def test_what_does_not_hold_is_no_demonstration():
    task = telling(
        fields={"q": "string", "a": "string", "is_right": "boolean"},
        holds="{{ is_right }}",
    )
    records = [
        {"q": f"the {i}", "a": " 1", "is_right": i % 2 == 0} for i in range(5)
    ]
    records = {"telling": {"train": records, "test": records[:1]}}
    (one,) = load([task], 2, records)
    assert [e.context for e in one.train] == ["the 0", "the 2", "the 4"]
    # The tested one is no demonstration of its own either.
    with pytest.raises(ValueError, match="Received: shots=3, with 2 in the"):
        load([task], 3, records)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"shots": (0, 5)},
            "Received: shots=5, with 4 in the training split of telling "
            "(records). Pass fewer shots or add",
        ),
        ({"shots": -1}, "shots must be an integer of at least 0."),
        ({"shots": [1, 0.5]}, "shots must be an integer of at least 0."),
        ({"shots": []}, "shots must have at least one K. Received: shots=[]."),
        (
            {"records": RECORDS | {"choos_ing": {}}},
            "records must be of tasks that are evaluated. Received: records of "
            "'choos_ing'. The closest are choosing.",
        ),
        (
            {"records": RECORDS | {"piqa": {}}},
            "Received: records of 'piqa'. Remove it.",
        ),
        (
            {"records": RECORDS | {"telling": {"tests": []}}},
            "There must be an example to test. Received: none in the test "
            "split of telling (records). Add some.",
        ),
    ],
)
def test_what_is_wrong_with_any_task_is_named(arguments, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        load(**arguments)


def test_it_is_said_that_the_task_brought_k():
    message = "Received: shots=50, the task's own, with 4 in the training split"
    with pytest.raises(ValueError, match=message):
        load([telling(shots=50)], records={"telling": RECORDS["telling"]})


def test_the_file_that_holds_too_few_is_named(tmp_path):
    (tmp_path / "choosing").mkdir()
    lines = "\n".join(map(json.dumps, choosing_records(2)))
    for split in ("train", "test"):
        (tmp_path / f"choosing/{split}.jsonl").write_text(lines)
    path = tmp_path / "choosing/train.jsonl"
    # Both splits are the same: an example cannot demonstrate itself.
    message = (
        f"shots=2, with 1 in the training split of choosing (file='{path}'), "
        "the tested example itself left out. Pass fewer"
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        load([choosing()], 2, None, data=tmp_path)


# === Model fingerprint ===


@pytest.fixture(scope="module")
def model():
    return small_model()


def test_it_is_that_of_a_saved_copy(model, tmp_path):
    model.save_to_preset(tmp_path)
    copy = type(model).from_preset(tmp_path)
    assert model_fingerprint(copy) == model_fingerprint(model)


def test_one_weight_changes_it(model):
    before = model_fingerprint(model)
    bias = model.backbone.decoder_blocks[0].query_key_value.bias
    bias.assign_add(bias + 1e-7)
    after = model_fingerprint(model)
    assert after != before
    assert len(after) == 16


def test_a_setting_without_weights_changes_it(model):
    other = small_model(attention_window=3)
    other.set_weights(model.get_weights())
    assert model_fingerprint(other) != model_fingerprint(model)


def test_bfloat16_weights_have_one():
    assert model_fingerprint(small_model(dtype="bfloat16"))


@pytest.fixture(scope="module")
def text_model():
    return small_text_model()


def with_preprocessor(model, tokenizer_options=None, **options):
    """The same weights, another way from texts to ids."""
    vocabulary, merges = small_vocabulary()
    tokenizer = GPT3Tokenizer(vocabulary, merges, **(tokenizer_options or {}))
    options = {"sequence_length": 8} | options
    return GPT3(model.backbone, GPT3Preprocessor(tokenizer, **options))


def test_the_same_texts_to_the_same_ids_are_the_same_model(text_model):
    assert model_fingerprint(with_preprocessor(text_model)) == (
        model_fingerprint(text_model)
    )


@pytest.mark.parametrize(
    "options",
    [
        {"add_start_token": True},
        {"sequence_length": 9},
        {"tokenizer_options": {"split_special_tokens": True}},
        {"tokenizer_options": {"special_tokens": ["the"]}},
        {"tokenizer_options": {"start_token": "the"}},
    ],
)
def test_another_way_from_texts_to_ids_changes_it(text_model, options):
    other = with_preprocessor(text_model, **options)
    assert model_fingerprint(other) != model_fingerprint(text_model)


def test_other_ids_and_merges_change_it(text_model):
    vocabulary, merges = small_vocabulary()
    swapped = vocabulary | {"a": vocabulary["b"], "b": vocabulary["a"]}
    fewer = merges[:-1]
    found = {model_fingerprint(text_model)}
    for parts in ((swapped, merges), (vocabulary, fewer)):
        preprocessor = GPT3Preprocessor(GPT3Tokenizer(*parts), 8)
        model = GPT3(text_model.backbone, preprocessor)
        found.add(model_fingerprint(model))
    assert len(found) == 3


def test_another_version_of_the_package_changes_it(text_model, monkeypatch):
    before = model_fingerprint(text_model)
    monkeypatch.setattr(module, "__version__", "99")
    assert model_fingerprint(text_model) != before
