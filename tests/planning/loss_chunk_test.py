import pytest

from keras_gpt3.ops import token_chunks
from keras_gpt3.planning import loss_chunk
from keras_gpt3.planning.loss_chunk import loss_chunk_bytes
from keras_gpt3.planning.pass_sizes import PassSizes
from tests.planning.toy_config import TOY


@pytest.fixture
def chunks_of_8_tokens(monkeypatch):
    """At 10 logits a token."""
    monkeypatch.setattr(loss_chunk, "_CHUNK_LOGITS", 100)


@pytest.mark.parametrize("vocabulary_size", [1, 10, 50257, 2**25, 2**30])
def test_a_chunk_has_the_tokens_that_the_operation_takes(vocabulary_size):
    planned = loss_chunk.chunk_tokens(vocabulary_size)
    assert planned == token_chunks.chunk_tokens(vocabulary_size)


def test_one_chunk_is_its_logits_and_their_exponentials():
    for dtype in ("float32", "bfloat16"):
        sizes = PassSizes.of(TOY, dtype, rows=1)
        assert loss_chunk_bytes(sizes) == 8 * 16 * 10


@pytest.mark.usefixtures("chunks_of_8_tokens")
@pytest.mark.parametrize(("dtype", "size"), [("float32", 4), ("bfloat16", 2)])
def test_the_gradient_of_a_later_chunk_counts_by_hand(dtype, size):
    # Two arrays of 8 x 10 logits, and 10 x 32 weights of the head.
    sizes = PassSizes.of(TOY | {"hidden_dim": 32}, dtype, rows=1)
    assert loss_chunk_bytes(sizes) == size * (2 * 80 + 320)


@pytest.mark.usefixtures("chunks_of_8_tokens")
def test_a_mixed_policy_adds_copies_of_the_head_and_of_its_gradients():
    sizes = PassSizes.of(TOY | {"hidden_dim": 32}, "mixed_bfloat16", rows=1)
    assert loss_chunk_bytes(sizes) == 2 * 2 * 80 + 4 * 320 + 3 * 2 * 320


@pytest.mark.usefixtures("chunks_of_8_tokens")
def test_more_tokens_are_more_chunks_of_the_same_size():
    few = PassSizes.of(TOY, "float32", rows=1)
    many = PassSizes.of(TOY, "float32", rows=100)
    assert loss_chunk_bytes(few) == loss_chunk_bytes(many)
