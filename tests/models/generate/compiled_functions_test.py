from keras_gpt3.models.generate.compiled_functions import bucket


def test_buckets_hold_lengths_and_do_not_pass_the_longest():
    for longest in (10, 100, 2048):
        for length in (1, 9, 31, 32, 33, 100, 300, 2048):
            if length <= longest:
                assert length <= bucket(length, longest) <= longest


def test_there_are_few_buckets():
    assert [bucket(n, 2048) for n in (1, 33, 65, 129, 257, 1500)] == [
        *(32, 64, 128, 256, 512, 1536)
    ]
