from keras_gpt3.models.generate.length_buckets import coarse_bucket
from keras_gpt3.models.generate.length_buckets import fine_bucket


def test_buckets_hold_lengths_and_do_not_pass_the_longest():
    for longest in (10, 100, 2048):
        for length in (1, 9, 31, 32, 33, 100, 300, 2048):
            if length <= longest:
                assert length <= coarse_bucket(length, longest) <= longest


def test_there_are_few_buckets():
    assert [coarse_bucket(n, 2048) for n in (1, 33, 65, 129, 257, 1500)] == [
        *(32, 64, 128, 256, 512, 1536)
    ]


def test_lengths_are_padded_to_a_few_within_the_window():
    lengths = range(1, 101)
    padded = [fine_bucket(n, 100) for n in lengths]
    assert sorted(set(padded)) == [16, 24, 32, 48, 64, 96, 100]
    assert all(n <= p for n, p in zip(lengths, padded, strict=True))
    assert padded == sorted(padded)
    assert fine_bucket(5, 12) == 12
