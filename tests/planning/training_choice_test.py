from keras_gpt3.planning import estimate_training_memory
from keras_gpt3.planning import recomputation_share
from keras_gpt3.planning.training_memory import MARGIN
from keras_gpt3.planning.training_memory import choose_training
from keras_gpt3.planning.training_memory import training_choices
from keras_gpt3.preset_loader import load_shipped_preset

SMALL = load_shipped_preset("gpt3_small_en")["backbone"]
ROWS = 12
OPTIONS = {"dtype": "mixed_bfloat16"}


def estimate(micro, policy):
    return estimate_training_memory(
        SMALL,
        batch_size=ROWS,
        micro_batch_size=None if micro == ROWS else micro,
        rematerialization=policy,
        **OPTIONS,
    )["total"]


# Every choice there is, with what it takes.
EXHAUSTIVE = {
    (policy, micro): estimate(micro, policy)
    for policy in ["none", "block", *range(2, 13)]
    for micro in (1, 2, 3, 4, 6, 12)
}


def best_by_search(budget):
    """Of all that fit, what computes least, then what is cut least."""
    fitting = [key for key, total in EXHAUSTIVE.items() if total <= budget]
    return min(
        fitting,
        default=None,
        key=lambda key: (
            recomputation_share(SMALL, key[0]),
            # Of equal cost, the larger k.
            -key[0] if isinstance(key[0], int) else 0,
            -key[1],
        ),
    )


# Between any two totals a choice changes; beyond both ends as well.
BUDGETS = [0, *sorted(EXHAUSTIVE.values()), 10**12]


def test_the_choice_is_what_an_exhaustive_search_finds():
    chosen = {}
    for budget in BUDGETS:
        choice, fits = choose_training(SMALL, ROWS, budget, **OPTIONS)
        found = best_by_search(budget)
        assert fits is (found is not None)
        if fits:
            micro = choice.micro_batch_size or ROWS
            assert (choice.rematerialization, micro) == found
            assert choice.memory["total"] <= budget
            chosen[found] = budget
    # The search was one: many different choices came up.
    assert len(chosen) > 5
    assert {"none", "block"} <= {policy for policy, _ in chosen}


def test_where_nothing_fits_the_smallest_is_given():
    choice, fits = choose_training(SMALL, ROWS, 10**6, **OPTIONS)
    assert not fits
    assert choice.memory["total"] == min(EXHAUSTIVE.values())


def test_a_whole_batch_is_not_cut():
    first = next(training_choices(SMALL, ROWS, **OPTIONS))
    assert (first.micro_batch_size, first.rematerialization) == (None, "none")


def test_arguments_are_written_as_compile_takes_them():
    choice, _ = choose_training(SMALL, ROWS, 0, **OPTIONS)
    micro, policy = choice.micro_batch_size, choice.rematerialization
    assert choice.arguments == (
        f"micro_batch_size={micro}, rematerialization={policy!r}"
    )


def test_a_part_of_the_memory_is_kept_free():
    assert 0 < MARGIN < 0.5
