import dataclasses
import json

import pytest

from keras_gpt3 import GPT3
from keras_gpt3 import GPT3Preprocessor
from keras_gpt3 import GPT3Tokenizer
from keras_gpt3.evaluation.few_shot import outcome_cache
from keras_gpt3.evaluation.few_shot.outcome_cache import Outcome
from keras_gpt3.evaluation.few_shot.outcome_cache import OutcomeCache
from keras_gpt3.evaluation.few_shot.outcome_cache import model_fingerprint
from tests.small_gpt3 import small_model
from tests.small_gpt3 import small_text_model
from tests.tokenization.small_vocabulary import small_vocabulary

# === Outcome cache ===


NAMES = {"task": "capitals", "model": "m", "shots": 2, "seed": 0}
ONE = Outcome(0, shots=2, predicted=1, correct=0.0, log_likelihoods=(-1.5, 2))
TWO = Outcome(7, shots=1, predicted=" Oslo", correct=1.0, num_tokens=(3,))


def write(folder, *outcomes, names=NAMES, digests=None):
    with OutcomeCache(folder, names, digests) as cache:
        cache.add(outcomes)
        return dict(cache.outcomes)


def test_outcomes_are_there_the_next_time(tmp_path):
    write(tmp_path, ONE)
    assert write(tmp_path, TWO) == {0: ONE, 7: TWO}
    (path,) = tmp_path.iterdir()
    assert path.name.startswith("capitals-shots2-seed0-")
    lines = path.read_text().splitlines()
    assert json.loads(lines[0]) == NAMES
    assert len(lines) == 3


@pytest.mark.parametrize("name", ["task", "model", "shots", "seed"])
def test_another_evaluation_has_another_file(name, tmp_path):
    write(tmp_path, ONE)
    value = "other" if name in ("task", "model") else 3
    assert write(tmp_path, TWO, names=NAMES | {name: value}) == {7: TWO}
    assert write(tmp_path) == {0: ONE}


@pytest.mark.parametrize("cut", [1, 5, 30])
def test_a_line_that_was_cut_short_is_done_again(cut, tmp_path):
    write(tmp_path, ONE, TWO)
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:-cut])
    assert write(tmp_path) == {0: ONE}
    assert write(tmp_path, TWO) == {0: ONE, 7: TWO}


def test_a_file_cut_in_its_first_line_begins_anew(tmp_path):
    write(tmp_path, ONE)
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:9])
    assert write(tmp_path, TWO) == {7: TWO}
    assert json.loads(path.read_text().splitlines()[0]) == NAMES


def test_without_a_folder_nothing_is_written():
    assert write(None, ONE) == {0: ONE}


def of(index, digest):
    return Outcome(index, 0, predicted=1, correct=0.0, example=digest)


def test_outcomes_of_other_examples_are_dropped_and_those_beyond_stay(tmp_path):
    write(tmp_path, of(0, "a"), of(1, "b"), of(2, "c"))
    write(tmp_path, digests=["a", "x", "c"])
    kept = {0: of(0, "a"), 2: of(2, "c")}
    assert write(tmp_path, digests=["a", "b", "c"]) == kept
    new = of(1, "x")
    assert write(tmp_path, new, digests=["a", "x", "c"]) == kept | {1: new}
    (path,) = tmp_path.iterdir()
    assert len(path.read_text().splitlines()) == 1 + 3
    assert json.loads(path.read_text().splitlines()[0]) == NAMES


def test_outcomes_that_do_not_say_of_what_they_are_are_dropped(tmp_path):
    write(tmp_path, ONE)
    assert write(tmp_path, digests=["a"]) == {}


def test_a_line_is_there_as_soon_as_it_is_added(tmp_path):
    with OutcomeCache(tmp_path, NAMES) as cache:
        cache.add([ONE])
        assert write(tmp_path) == {0: ONE}


# === Outcome ===


def test_it_is_a_line_of_json_and_back():
    outcome = Outcome(3, 2, " 143", 1.0, (-1.5,), (1,))
    fields = json.loads(json.dumps(dataclasses.asdict(outcome)))
    fields |= {k: tuple(fields[k]) for k in ("log_likelihoods", "num_tokens")}
    assert Outcome(**fields) == outcome


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
    monkeypatch.setattr(outcome_cache, "__version__", "99")
    assert model_fingerprint(text_model) != before
