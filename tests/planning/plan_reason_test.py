from keras_gpt3.planning import describe
from keras_gpt3.planning import format_bytes
from keras_gpt3.planning.plan_reason import plan_reason
from keras_gpt3.planning.training_choice import choose_training

CONFIG = describe("gpt3_2.7b_en").config
MIXED = {"dtype": "mixed_bfloat16"}


def reason(budget, **options):
    choice, _ = choose_training(CONFIG, 4, budget, **options)
    return plan_reason(CONFIG, 4, choice, budget, **options), choice


def test_what_fits_is_compared_with_what_may_be_used():
    text, choice = reason(72 * 10**9, **MIXED)
    total = format_bytes(choice.memory["total"])
    assert text == (
        f"The step takes {total} at its peak, of the 72.0 GB that may be used "
        "(10% of a device stays free)."
    )


def test_what_fits_nowhere_says_what_it_lacks_and_which_device_it_takes():
    text, choice = reason(10 * 10**9, **MIXED)
    total = choice.memory["total"]
    assert text == (
        f"Even with {choice.arguments} the step takes {format_bytes(total)} at "
        f"its peak, {format_bytes(total - 10 * 10**9)} more than the 10.0 GB "
        "that may be used (10% of a device stays free). Use devices of "
        f"{format_bytes(total / 0.9)}; each device holds the whole model, as "
        "this package cannot split it over devices yet."
    )


def test_half_precision_is_offered_where_it_fits():
    half, fits = choose_training(CONFIG, 4, 36 * 10**9, dtype="bfloat16")
    assert fits
    text, _ = reason(36 * 10**9, **MIXED)
    assert f", or dtype='bfloat16' with {half.arguments}; each" in text


def test_half_precision_is_not_offered_to_what_has_it():
    assert "dtype=" not in reason(10 * 10**9, dtype="bfloat16")[0]
