import numpy as np
import pytest

from keras_gpt3.corpus.read.read_file_part import repeated_places
from keras_gpt3.corpus.read.read_file_part import write_ids


def write(folder, parts):
    paths = [folder / f"{number}.npy" for number in range(len(parts))]
    for path, ids in zip(paths, parts, strict=True):
        write_ids(path, ids)
    return paths


def naive(parts):
    seen, places = set(), []
    for part in parts:
        places.append(
            [i for i, x in enumerate(part) if x in seen or part.index(x) < i]
        )
        seen.update(part)
    return places


@pytest.mark.parametrize("bucket_ids", [1, 7, 2**22])
def test_the_later_of_equal_ids_is_found_whatever_the_buckets(
    tmp_path, bucket_ids
):
    generator = np.random.default_rng(0)
    parts = [
        [str(i) for i in generator.integers(0, 60, size)]
        for size in (20, 0, 30, 1, 25)
    ]
    paths = write(tmp_path, parts)
    assert repeated_places(paths, bucket_ids) == naive(parts)


def test_nothing_is_found_where_nothing_is(tmp_path):
    assert repeated_places([]) == []
    assert repeated_places(write(tmp_path, [[], []])) == [[], []]
    assert repeated_places(write(tmp_path, [["a"], ["b", "c"]])) == [[], []]
