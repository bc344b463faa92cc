import re

import pytest

from keras_gpt3.layers.block_pattern import rematerialized_layers


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("none", [False] * 5),
        ("block", [True] * 5),
        (1, [True] * 5),
        (2, [True, False, True, False, True]),
        (3, [True, False, False, True, False]),
        (9, [True, False, False, False, False]),
    ],
)
def test_every_kth_block_from_the_first_is_rematerialized(policy, expected):
    assert rematerialized_layers(policy, 5) == tuple(expected)


@pytest.mark.parametrize("policy", ["full", "", 0, -1, 1.5, True, None])
def test_an_unknown_policy_raises(policy):
    message = (
        "rematerialization must be 'none', 'block' or an integer of at least "
        f"1. Received: rematerialization={policy!r}. Use 2 to recompute every "
        "second block, 'block' to recompute all."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        rematerialized_layers(policy, 5)
