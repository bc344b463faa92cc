import pytest

from keras_gpt3.evaluation.few_shot import shared_batches
from keras_gpt3.evaluation.few_shot.shared_batches import SharedBatches


class Prefix:
    def __init__(self, token_ids):
        self.token_ids = tuple(token_ids)
        self.num_tokens = len(self.token_ids)


class Model:
    """Stands in for a model; keeps the prefixes that it makes."""

    def __init__(self):
        self.made = []

    def prefix(self, ids):
        self.made.append(tuple(ids))
        return Prefix(ids)


@pytest.fixture(autouse=True)
def short_steps(monkeypatch):
    function = shared_batches.shared_prefixes
    monkeypatch.setattr(function, "__defaults__", (4, 4))
    monkeypatch.setattr(shared_batches, "_FINE", 2)


def answer_all(in_batches, prompts, lengths=None):
    """What was handed out: pairs of indices and of their prefix."""
    batches = []

    def answer(batch, prefix):
        start = prefix.token_ids if prefix else ()
        assert all(tuple(prompts[i][: len(start)]) == start for i in batch)
        batches.append((batch, start))
        return [f"answer {i}" for i in batch]

    found = dict(in_batches(prompts, answer, lengths))
    assert found == {i: f"answer {i}" for i in range(len(prompts))}
    return batches


def test_batches_hold_prompts_of_like_lengths_the_longest_first():
    prompts = [[1], [2] * 5, [3] * 3, [4] * 4, [5] * 2]
    batches = answer_all(SharedBatches(Model(), 2), prompts)
    assert batches == [([1, 3], ()), ([2, 4], ()), ([0], ())]
    batches = answer_all(SharedBatches(Model(), 2), prompts, [5, 1, 2, 3, 4])
    assert batches == [([0, 4], ()), ([3, 2], ()), ([1], ())]


def test_each_beginning_is_read_once():
    model = Model()
    one, other = [1, 2, 3, 4], [5, 6, 7, 8]
    prompts = [[*one, 1, 2], [*other, 3], [*one, 4], [9], [*other, 5]]
    batches = answer_all(SharedBatches(model), prompts)
    assert batches == [
        ([0, 2], tuple(one)),
        ([1, 4], tuple(other)),
        ([3], ()),
    ]
    assert model.made == [tuple(one), tuple(other)]


def test_many_prompts_have_a_prefix_of_a_length_of_its_own(monkeypatch):
    monkeypatch.setattr(shared_batches, "_MANY", 3)
    shared = [1, 2, 3, 4, 5, 6, 7]
    for count, length in ((2, 4), (3, 6)):
        model = Model()
        prompts = [[*shared, 10 + i, 0] for i in range(count)]
        answer_all(SharedBatches(model), prompts)
        assert model.made == [tuple(shared[:length])]


def test_the_last_prefix_serves_the_next_call_however_few_ask():
    model = Model()
    in_batches = SharedBatches(model)
    answer_all(in_batches, [[1, 2, 3, 4, 5], [1, 2, 3, 4, 6]])
    batches = answer_all(in_batches, [[9, 9], [1, 2, 3, 4, 8]])
    assert batches == [([1], (1, 2, 3, 4)), ([0], ())]
    assert model.made == [(1, 2, 3, 4)]


def test_a_prompt_keeps_a_token_from_which_its_answer_is_predicted():
    model = Model()
    answer_all(SharedBatches(model), [[1, 2, 3, 4]] * 5)
    assert model.made == []


def test_no_prompts_have_no_answers():
    assert answer_all(SharedBatches(Model()), []) == []


@pytest.mark.parametrize(
    ("count", "size"), [(1, 1), (2, 2), (3, 4), (5, 6), (6, 6)]
)
def test_texts_are_completed_in_batches_of_few_sizes(count, size):
    prompts, sizes = [[i + 1] * 3 for i in range(count)], []

    def complete(numbers, arrays, prefix):
        assert arrays["token_ids"].tolist() == [prompts[i] for i in numbers]
        sizes.append(len(numbers))
        return [f"text {i}" for i in numbers]

    found = SharedBatches(Model(), 6).texts(prompts, complete)
    assert dict(found) == {i: f"text {i}" for i in range(count)}
    assert sizes == [size]


def test_of_a_prompt_only_what_its_prefix_does_not_hold_is_completed():
    prompts, lengths = [[1, 2, 3, 4, 5, i] for i in range(2)], []

    def complete(numbers, arrays, prefix):
        lengths.append(prefix.num_tokens + arrays["token_ids"].shape[1])
        return [""] * len(numbers)

    dict(SharedBatches(Model(), 6).texts(prompts, complete))
    assert lengths == [6]
