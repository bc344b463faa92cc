import pytest

from keras_gpt3.planning import recomputation_share
from keras_gpt3.planning.pass_sizes import PassSizes
from keras_gpt3.planning.training_job import backward_flops
from keras_gpt3.planning.training_job import forward_flops
from keras_gpt3.preset_loader import load_shipped_preset
from tests.planning.toy_config import TOY

LARGEST = load_shipped_preset("gpt3_175b_en")["backbone"]


@pytest.mark.parametrize(
    ("window", "scores"), [(None, 16 * 16), (4, 16 * 16), (16, 16 * 16)]
)
def test_a_block_s_products_are_counted_by_hand(window, scores):
    # 16 tokens are one block, banded or not.
    sizes = PassSizes.of(TOY, "float32", rows=3)
    projections = 3 * 16 * (8 * 24 + 8 * 8 + 2 * 8 * 32)
    products = 3 * scores * 8
    assert forward_flops(sizes, window) == 2 * (projections + 2 * products)
    assert backward_flops(sizes, window) == 2 * (2 * projections + 5 * products)


def test_a_banded_layer_costs_less_than_a_dense_one():
    sizes = PassSizes.of(LARGEST, "float32", rows=1)
    assert forward_flops(sizes, 256) < forward_flops(sizes, None)


def test_nothing_is_computed_again_without_rematerialization():
    assert recomputation_share(TOY, "none") == 0


def test_all_blocks_cost_a_third_of_a_step_where_the_head_is_small():
    assert recomputation_share(LARGEST, "block") == pytest.approx(1 / 3, 0.01)


def test_every_second_block_costs_half_of_that():
    share = recomputation_share(LARGEST, 2)
    # The dense blocks come first in the pattern, and cost a little more.
    assert share == pytest.approx(
        recomputation_share(LARGEST, "block") / 2, 0.1
    )
    assert share > recomputation_share(LARGEST, "block") / 2


def test_the_share_is_that_of_the_sums():
    sizes = PassSizes.of(TOY, "float32", rows=1, length=8)
    forward = 2 * (forward_flops(sizes, None) + forward_flops(sizes, 4))
    backward = 2 * (backward_flops(sizes, None) + backward_flops(sizes, 4))
    head = 3 * 2 * 8 * 8 * 10
    expected = forward / (forward + backward + head)
    assert recomputation_share(TOY, "block", length=8) == expected


def test_an_unknown_policy_raises():
    with pytest.raises(ValueError, match="rematerialization must be 'none'"):
        recomputation_share(TOY, "some")
