import dataclasses
import pathlib

import pytest

from keras_gpt3.corpus.pipeline.part_file import StagePart


@pytest.fixture
def part(tmp_path):
    return StagePart("novels", "part-00003", str(tmp_path), "a.jsonl", "1f")


def test_paths_lie_in_the_folder_of_the_source(part, tmp_path):
    folder = tmp_path / "novels"
    assert part.output == str(folder / "part-00003.jsonl.zst")
    assert part.counts_path == str(folder / "part-00003.json")
    aside = folder / "dropped" / "part-00003.jsonl.zst"
    assert part.rejected("dropped") == str(aside)
    assert part.path("ids", "a.npy") == str(folder / "ids" / "a.npy")


def test_a_part_is_done_once_its_counts_are_there(part):
    assert not part.is_done
    part.finish({"documents_in": 3})
    assert part.is_done
    assert part.counts == {"documents_in": 3}


def test_counts_of_another_input_do_not_count(part):
    part.finish({"documents_in": 3})
    assert not dataclasses.replace(part, digest="2f").is_done


@pytest.mark.parametrize("text", ["", "{", "[]", '{"digest": "1f"}'])
def test_damaged_counts_do_not_count(part, text):
    part.finish({})
    pathlib.Path(part.counts_path).write_text(text)
    assert part.counts is None


def test_a_part_is_done_as_long_as_its_files_are_there(part):
    part = dataclasses.replace(part, others=("ids/{}.npy", "{}.npz"))
    for path in (part.output, part.path("ids", "part-00003.npy")):
        pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
        pathlib.Path(path).write_text("1")
    part.finish({"documents_in": 3})
    assert part.is_done
    pathlib.Path(path).write_text("12")
    assert not part.is_done
    pathlib.Path(path).unlink()
    assert not part.is_done


def test_a_part_that_is_made_again_is_not_done(part):
    part.finish({})
    part.reset()
    part.reset()
    assert not part.is_done
