import dataclasses
import pathlib

import pytest

from keras_gpt3.corpus.pipeline.document import Document
from keras_gpt3.corpus.pipeline.document import RejectedRecord
from keras_gpt3.corpus.pipeline.part_file import StagePart
from keras_gpt3.corpus.pipeline.part_file import read_part
from keras_gpt3.corpus.pipeline.part_file import read_part_lines
from keras_gpt3.corpus.pipeline.part_file import written_part

# === Part file ===


DOCUMENTS = [
    Document(f"{number}", "novels", f"Once {number}\n" * number)
    for number in range(300)
]


def write(path, documents=DOCUMENTS):
    with written_part(path) as write_one:
        for document in documents:
            write_one(document)


def test_documents_come_back(tmp_path):
    write(tmp_path / "novels" / "part-00000.jsonl.zst")
    path = tmp_path / "novels" / "part-00000.jsonl.zst"
    assert list(read_part(path)) == DOCUMENTS
    assert list(path.parent.iterdir()) == [path]


def test_the_same_documents_give_the_same_bytes(tmp_path):
    write(tmp_path / "a.jsonl.zst")
    write(tmp_path / "b.jsonl.zst")
    one, two = (tmp_path / f"{n}.jsonl.zst" for n in "ab")
    assert one.read_bytes() == two.read_bytes()


def test_a_part_of_no_documents_is_a_part(tmp_path):
    write(tmp_path / "a.jsonl.zst", [])
    assert list(read_part(tmp_path / "a.jsonl.zst")) == []


def test_records_that_were_rejected_are_lines_as_well(tmp_path):
    record = RejectedRecord("novels", "no JSON", "{")
    write(tmp_path / "a.jsonl.zst", [record])
    (line,) = read_part_lines(tmp_path / "a.jsonl.zst")
    assert RejectedRecord.from_json(line) == record


def test_an_error_leaves_no_part(tmp_path):
    path = tmp_path / "a.jsonl.zst"
    with pytest.raises(ZeroDivisionError), written_part(path) as write:
        write(DOCUMENTS[1 // 0])
    assert list(tmp_path.iterdir()) == []


def test_a_missing_part_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="A part must exist"):
        list(read_part(tmp_path / "a.jsonl.zst"))


@pytest.mark.parametrize("kept", [-3, 20])
def test_a_part_that_is_cut_is_named(tmp_path, kept):
    path = tmp_path / "a.jsonl.zst"
    write(path)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ValueError, match="A part must be a whole zstd file"):
        list(read_part(path))


def test_a_part_with_a_changed_byte_is_named(tmp_path):
    path = tmp_path / "a.jsonl.zst"
    write(path)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(ValueError, match="A part must be"):
        list(read_part_lines(path))


def test_a_part_of_garbage_is_named(tmp_path):
    path = tmp_path / "a.jsonl.zst"
    path.write_bytes(b"garbage")
    with pytest.raises(ValueError, match="A part must be a whole zstd file"):
        list(read_part(path))


# === Stage part ===


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
