from keras_gpt3.planning.measured_overhead import fragmentation_bytes
from keras_gpt3.planning.measured_overhead import program_bytes
from keras_gpt3.planning.pass_sizes import PassSizes
from tests.planning.toy_config import TOY


def test_a_program_grows_with_layers_and_their_blocks():
    small = program_bytes(512, (None, 128))
    assert program_bytes(512, (None, 128, None)) > small
    assert program_bytes(1024, (None, 128)) > small
    # Other shapes of blocks have to be compiled too.
    assert program_bytes(512, (None, 128)) > program_bytes(512, (None, None))


def test_a_program_is_some_tenths_of_a_gigabyte_for_gpt3_small():
    assert 3e8 < program_bytes(2048, (None, 256) * 6) < 9e8


def test_the_allocator_wastes_more_where_arrays_are_larger_or_more():
    sizes = PassSizes.of(TOY, "float32", rows=1)
    wasted = fragmentation_bytes(sizes, 10**6)
    assert fragmentation_bytes(sizes, 2 * 10**6) > wasted
    longer = PassSizes.of(TOY, "float32", rows=1000)
    assert fragmentation_bytes(longer, 10**6) > wasted
