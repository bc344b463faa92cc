import gzip
import json
import os
import pathlib
import subprocess
import sys
import time

import pyarrow
import pytest
from pyarrow import parquet

from keras_gpt3.corpus.corpus_config import ReadSection
from keras_gpt3.corpus.pipeline import beam_worker
from keras_gpt3.corpus.pipeline.beam_options import beam_options
from keras_gpt3.corpus.pipeline.part_file import read_part
from keras_gpt3.corpus.read.read_stage import read_stage

ONE = beam_options(workers=1)
TEXT = "It was the best of times, it was the worst of times. "


def lines(name, number):
    return "".join(
        json.dumps({"id": f"{name}-{n}", "text": f"{n} {TEXT}"}) + "\n"
        for n in range(number)
    ).encode()


@pytest.fixture
def folder(tmp_path):
    """Files of all sorts; ids of c are those of a."""
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.jsonl").write_bytes(lines("a", 5))
    (folder / "b.jsonl.gz").write_bytes(gzip.compress(lines("b", 900))[:-200])
    (folder / "c.jsonl").write_bytes(lines("c", 3) + lines("a", 7))
    (folder / "d.jsonl").write_bytes(bytes(range(256)) * 9)
    (folder / "e.txt").write_text("Es war einmal ein K\u00f6nig.", "utf-8")
    (folder / "f.txt").touch()
    table = pyarrow.table({"content": ["Once"]})
    parquet.write_table(table, folder / "g.parquet")
    return folder


def run(folder, output, options=ONE, overwrite=False, **settings):
    settings = ReadSection(**{"languages": ["en"]} | settings)
    files = {"novels": [folder]}
    return read_stage(
        settings, files, output, options=options, overwrite=overwrite
    )


def read_all(files, output):
    return read_stage(ReadSection(), files, output, options=ONE)


def contents(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in pathlib.Path(folder).rglob("*")
        if path.is_file()
    }


def test_everything_is_read_or_rejected_with_its_reason(folder, tmp_path):
    stage = run(folder, tmp_path / "1")
    assert stage.is_done
    totals = stage.totals["all"]
    dropped = totals["dropped"]
    assert totals["documents_in"] == totals["documents_out"] + sum(
        dropped.values()
    )
    assert dropped == {
        "binary": 1,
        "broken gzip": 1,
        "duplicate id": 5,
        "empty file": 1,
        "no column text": 1,
        "other language": 1,
    }
    assert totals["files"] == len(stage.outputs()) == 7
    ids = [
        [document.id for document in read_part(item.path)]
        for item in stage.outputs()
    ]
    assert ids[0] == [f"a-{n}" for n in range(5)]
    assert len(ids[1]) > 500
    # The later of two equal ids goes.
    assert ids[2] == ["c-0", "c-1", "c-2", "a-5", "a-6"]


def test_the_same_ids_in_two_sources_stay(folder, tmp_path):
    files = {"novels": [folder / "a.jsonl"], "crawl": [folder / "a.jsonl"]}
    totals = read_all(files, tmp_path / "1").totals
    assert totals["sources"]["crawl"]["documents_out"] == 5
    assert totals["all"]["dropped"] == {}


@pytest.mark.slow
def test_two_workers_give_what_one_gives(folder, tmp_path):
    run(folder, tmp_path / "1")
    run(folder, tmp_path / "2", beam_options(workers=2))
    assert contents(tmp_path / "1") == contents(tmp_path / "2")


def test_with_one_file_more_only_that_one_is_read(folder, tmp_path):
    run(folder, tmp_path / "1")
    before = {
        path: path.stat().st_mtime_ns
        for path in (tmp_path / "1").rglob("part-*")
    }
    (folder / "h.jsonl").write_bytes(lines("h", 2) + lines("c", 1))
    stage = run(folder, tmp_path / "1")
    after = {path: path.stat().st_mtime_ns for path in before}
    assert after == before
    assert stage.totals["all"]["dropped"]["duplicate id"] == 6


def test_a_file_that_is_gone_takes_its_part_along(folder, tmp_path):
    run(folder, tmp_path / "1")
    (folder / "g.parquet").unlink()
    stage = run(folder, tmp_path / "1")
    assert stage.totals["all"]["files"] == 6
    assert not list((tmp_path / "1").rglob("part-00006.*"))


def test_another_run_s_folder_is_refused_and_left_alone(folder, tmp_path):
    run(folder, tmp_path / "1")
    before = contents(tmp_path / "1")
    with pytest.raises(
        FileExistsError, match=r"with languages=\['en'\], not None\. Pass"
    ):
        run(folder, tmp_path / "1", languages=None)
    assert contents(tmp_path / "1") == before
    stage = run(folder, tmp_path / "1", languages=None, overwrite=True)
    assert "other language" not in stage.totals["all"]["dropped"]


def test_an_unknown_suffix_is_refused_before_anything_is_written(
    folder, tmp_path
):
    (folder / "letter.doc").write_text("Dear")
    files = {"novels": [folder, folder / "letter.doc"]}
    with pytest.raises(ValueError, match=r"letter\.doc'\. Convert or rename"):
        read_all(files, tmp_path / "1")
    assert not (tmp_path / "1").exists()


KILLED = """
import sys, types
package = types.ModuleType("keras_gpt3")
package.__path__ = [{package!r}]
sys.modules["keras_gpt3"] = package
from keras_gpt3.corpus.pipeline.beam_options import beam_options
from keras_gpt3.corpus.corpus_config import ReadSection
from keras_gpt3.corpus.read.read_stage import read_stage
files = {{"novels": [{folder!r}]}}
read_stage(ReadSection(), files, {output!r}, options=beam_options(1))
"""


@pytest.mark.slow
def test_a_killed_run_goes_on_with_what_is_missing(tmp_path):
    folder, output = tmp_path / "in", tmp_path / "1"
    folder.mkdir()
    for number in range(12):
        path = folder / f"{number:02}.jsonl"
        path.write_bytes(lines(number, 4000))
    package = str(pathlib.Path(beam_worker.__file__).parents[2])
    code = KILLED.format(
        package=package, folder=str(folder), output=str(output)
    )
    process = subprocess.Popen([sys.executable, "-c", code])
    counts = output / ".files" / "novels"
    while process.poll() is None and len(list(counts.glob("*.json"))) < 3:
        time.sleep(0.005)
    process.kill()
    process.wait()
    done = {path: os.stat(path) for path in counts.glob("*.json")}
    assert 3 <= len(done) < 12
    assert not (output / "stage.json").exists()
    read_all({"novels": [folder]}, output)
    for path, stat in done.items():
        assert path.stat().st_mtime_ns == stat.st_mtime_ns
    read_all({"novels": [folder]}, tmp_path / "2")
    assert contents(output) == contents(tmp_path / "2")


def test_names_and_addresses_that_are_no_utf_8_do_not_end_a_run(tmp_path):
    folder = tmp_path / os.fsdecode(b"menu\xe9")
    folder.mkdir()
    for name in (b"a\xe9.jsonl", b"b\xe9.jsonl"):
        (folder / os.fsdecode(name)).write_text(
            '{"text": "Once", "url": "\\ud800"}\n{"text":\n'
        )
    for _ in range(2):
        stage = read_all({"novels": [folder]}, tmp_path / "1")
        documents = [d for i in stage.outputs() for d in read_part(i.path)]
        assert [d.id for d in documents] == [
            f"novels/{name}\\udce9.jsonl:1" for name in "ab"
        ]
        assert documents[0].url == "\\ud800"


def test_ids_stay_when_a_folder_comes_beside(tmp_path):
    ids = []
    for name in ("b", "a"):
        path = tmp_path / "in" / name / "x.txt"
        path.parent.mkdir(parents=True)
        path.write_text(name)
        files = {"novels": [f"{tmp_path}/in/*/x.txt"]}
        stage = read_all(files, tmp_path / "1")
        ids.append([d.id for p in stage.parts for d in read_part(p.output)])
    assert ids[0] == ids[1][1:]
    assert len(ids[1]) == 2
