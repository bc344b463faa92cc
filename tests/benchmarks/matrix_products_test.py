import pytest
from harness import matrix_products

CONFIG = {
    "vocabulary_size": 50257,
    "num_layers": 12,
    "num_heads": 12,
    "hidden_dim": 768,
    "intermediate_dim": 3072,
    "attention_pattern": ("dense", "banded"),
    "attention_window": 256,
}


def flops(products, part=None):
    return sum(x.flops for x in products if part in (None, x.part))


def step(length=2048, batch_size=1, dtype="float32", micro=None, **changes):
    return matrix_products.step_products(
        CONFIG | changes, dtype, batch_size, length, micro
    )


@pytest.mark.parametrize("batch_size", [1, 4])
def test_dense_layers_take_six_flops_a_weight_and_token(batch_size):
    weights = 12 * (4 * 768**2 + 2 * 768 * 3072)
    products = step(batch_size=batch_size)
    found = flops(products, matrix_products.DENSE_PROJECTIONS)
    assert found == 6 * weights * 2048 * batch_size


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_head_takes_six_flops_a_weight_and_token_in_chunks(dtype):
    found = matrix_products.head_products(CONFIG, 2048, dtype)
    assert flops(found) == 6 * 50257 * 768 * 2048
    assert all(x.count > 1 for x in found)


@pytest.mark.parametrize("length", [600, 2048])
def test_dense_attention_skips_most_of_the_upper_triangle(length):
    products = step(length, attention_pattern=("dense",))
    found = flops(products, matrix_products.DENSE_ATTENTION)
    # Seven products of (T, T) scores with 64 numbers for each of 12 heads.
    everything = 12 * 7 * 2 * 12 * length**2 * 64
    visible = everything * (length + 1) / (2 * length)
    # Each block of 256 queries computes the half above its diagonal, too.
    at_edges = everything * 256 / (2 * length)
    assert visible < found <= visible + at_edges
    assert flops(products, matrix_products.BANDED_ATTENTION) == 0


def test_banded_attention_grows_with_length_times_window():
    products = [
        step(length, attention_pattern=("banded",)) for length in (4096, 8192)
    ]
    short, long = (flops(x, matrix_products.BANDED_ATTENTION) for x in products)
    # But for the first window, which has fewer keys: 256 of 4096 queries.
    assert long / short == pytest.approx(2, rel=0.05)
    # All 256 visible keys of a query, and at most a block of others.
    visible = 12 * 7 * 2 * 12 * 8192 * 256 * 64
    assert 0.95 * visible < long < 2 * visible


def test_a_window_of_the_whole_length_is_dense():
    products = step(256, attention_pattern=("banded",))
    assert flops(products, matrix_products.BANDED_ATTENTION) == 0
    assert flops(products, matrix_products.DENSE_ATTENTION) > 0


def test_micro_batches_are_smaller_products_with_as_many_flops():
    whole, parts = step(batch_size=4), step(batch_size=4, micro=1)
    assert flops(parts) == flops(whole)
    assert max(x.batch for x in parts) < max(x.batch for x in whole)
