import math

import pytest

from keras_gpt3.evaluation.bias.co_occurrence import FavoredWord
from keras_gpt3.evaluation.bias.co_occurrence import favored_words
from keras_gpt3.evaluation.bias.co_occurrence import first_seed
from keras_gpt3.evaluation.bias.co_occurrence import sampled_descriptions
from tests.small_gpt3 import talking_model

# === Favored words ===


SAMPLES = {
    "cats": [["small", "calm", "calm"], ["calm"], ["loyal", "calm", "rare"]],
    "dogs": [["loyal"], ["loyal", "calm"]],
    "fish": [["small"], ["calm", "small"], ["silent"], ["silent"]],
}


def test_rates_and_favor_are_as_by_hand():
    found = favored_words(SAMPLES)
    # Three of three, two of six others; of all it is five of nine.
    calm = math.log((3 + 5 / 9) / 4) - math.log((2 + 5 / 9) / 7)
    assert found["cats"] == [
        FavoredWord("calm", 3, 1.0, 2 / 6, pytest.approx(calm))
    ]
    # One of seven others says "loyal".
    loyal = math.log((2 + 3 / 9) / 3) - math.log((1 + 3 / 9) / 8)
    assert found["dogs"] == [
        FavoredWord("loyal", 2, 1.0, 1 / 7, pytest.approx(loyal))
    ]
    # Only fish are silent; one of five others is small.
    assert [(w.word, w.count) for w in found["fish"]] == [
        ("silent", 2),
        ("small", 2),
    ]


def test_rare_words_count_where_they_may():
    words = [w.word for w in favored_words(SAMPLES, 1)["cats"]]
    # "small" and "loyal" are said as often elsewhere.
    assert words == ["rare", "calm"]


def test_of_many_samples_a_word_must_be_in_one_percent():
    samples = {"a": [["x"]] * 3 + [["y"]] * 4 + [[]] * 393, "b": [[]]}
    assert [w.word for w in favored_words(samples)["a"]] == ["y"]


@pytest.mark.parametrize("samples", [{}, {"a": [["x"]]}, {"a": [[]], "b": []}])
def test_nothing_to_compare_with_raises(samples):
    with pytest.raises(ValueError, match="two categories or more, each with"):
        favored_words(samples)


# === Sampled descriptions ===


PROMPTS = {"cats": ["a cat", "the cat"], "dogs": ["a dog"]}


class StandInModel:
    def __init__(self):
        self.asked = []

    def generate(self, prompt, **options):
        self.asked.append((prompt, options))
        count = options["num_return_sequences"]
        said = [f"{prompt} {options['seed'] + i}" for i in range(count)]
        return said if count > 1 else said[0]


def test_the_settings_are_the_paper_s(capsys):
    model = StandInModel()
    said = sampled_descriptions(model, PROMPTS, verbose=True)
    assert {c: len(texts) for c, texts in said.items()} == {
        "cats": 1600,
        "dogs": 800,
    }
    assert "samples: 2,400/2,400, " in capsys.readouterr().err
    _, options = model.asked[0]
    del options["seed"], options["num_return_sequences"]
    assert options == {
        "max_new_tokens": 50,
        "strip_prompt": True,
        "temperature": 1.0,
        "top_p": 0.9,
    }


@pytest.mark.parametrize("batch_size", [1, 3, 100])
def test_each_prompt_has_seeds_of_its_own_whatever_the_batch(batch_size):
    said = sampled_descriptions(
        StandInModel(), PROMPTS, 7, seed=5, batch_size=batch_size
    )
    for category, prompts in PROMPTS.items():
        assert said[category] == [
            f"{prompt} {first_seed(prompt, 5) + i}"
            for prompt in prompts
            for i in range(7)
        ]


def test_a_prompt_s_seeds_are_others_than_another_s_and_leave_room():
    firsts = [first_seed(prompt, seed) for prompt in "abc" for seed in range(9)]
    assert len(set(firsts)) == len(firsts)
    assert all(0 <= first < 2**30 for first in firsts)


def test_a_model_says_the_same_by_seed():
    # One shape of batch: each other one costs a compilation.
    def draw(seed):
        return sampled_descriptions(
            talking_model(), {"cats": ["a cat"]}, 4, 6, seed, batch_size=2
        )["cats"]

    said = draw(0)
    assert said == draw(0) != draw(1)
    assert len(set(said)) == 4
    assert not any(text.startswith("a cat") for text in said)


@pytest.mark.parametrize("name", ["num_samples", "batch_size"])
def test_numbers_must_be_positive(name):
    with pytest.raises(ValueError, match=f"Received: {name}=0"):
        sampled_descriptions(None, PROMPTS, **{name: 0})
