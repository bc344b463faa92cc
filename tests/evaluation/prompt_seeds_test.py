from keras_gpt3.evaluation.harness.harness_tokens import prompt_seeds


def test_a_seed_is_that_of_the_prompt_not_of_its_place():
    one, other = prompt_seeds(["a", "b"], seed=0)
    assert one != other
    assert prompt_seeds(["b", "a"], seed=0) == [other, one]


def test_a_prompt_that_comes_again_has_another_seed():
    seeds = prompt_seeds(["a", "b", "a", "a"], seed=0)
    assert len(set(seeds)) == 4
    assert prompt_seeds(["a"] * 3, seed=0) == [seeds[0], *seeds[2:]]


def test_other_seeds_have_other_seeds():
    assert prompt_seeds(["a"], seed=1) != prompt_seeds(["a"], seed=0)


def test_seeds_are_the_same_on_every_machine_and_fit_int32():
    assert prompt_seeds(["a"], seed=0) == [2064081155]
    many = prompt_seeds(list(map(str, range(1000))), seed=0)
    assert 0 <= min(many) and max(many) < 2**31
