import pytest

from keras_gpt3.planning.measured_overhead import fragmentation_bytes
from keras_gpt3.planning.measured_overhead import program_bytes
from keras_gpt3.planning.pass_sizes import PassSizes
from tests.planning.toy_config import TOY


def test_a_program_grows_with_layers_blocks_and_shapes():
    # Two dense blocks of different shapes.
    one = program_bytes(512, (None,))
    two = program_bytes(512, (None, None))
    # The second layer adds no shape.
    assert two - one == 11_000_000 + 2 * 2_200_000
    # A third block, of a third shape.
    assert program_bytes(768, (None,)) - one == 2_200_000 + 9_000_000


@pytest.mark.parametrize(
    ("num_layers", "length", "measured"),
    [(2, 512, 143), (12, 512, 317), (2, 2048, 236), (12, 2048, 608)]
    + [(24, 1024, 698)],
)
def test_programs_are_as_large_as_measured(num_layers, length, measured):
    # Peaks of training at width 8, in MB. Their fit is within 3%.
    windows = (None, 256) * (num_layers // 2)
    predicted = program_bytes(length, windows) / 1e6
    assert predicted == pytest.approx(measured, rel=0.03)


def test_fragments_follow_the_largest_array_and_all():
    table = 4 * 1000 * 8
    sizes = PassSizes.of(TOY | {"vocabulary_size": 1000}, "float32", rows=1)
    assert fragmentation_bytes(sizes, 0) == int(1.2 * table)
    more = fragmentation_bytes(sizes, 10**6) - fragmentation_bytes(sizes, 0)
    assert more == pytest.approx(80_000, abs=1)
    # Many tokens make the activations larger than the embedding.
    sizes = PassSizes.of(TOY, "float32", rows=100)
    assert fragmentation_bytes(sizes, 0) == int(1.2 * 4 * 1600 * 32)
