import json
import os
import pathlib
import re
import shutil

import pytest

from keras_gpt3.corpus.pipeline import stage as module
from keras_gpt3.corpus.pipeline.part_file import written_part
from keras_gpt3.corpus.pipeline.stage import FORMAT
from keras_gpt3.corpus.pipeline.stage import Stage
from keras_gpt3.corpus.pipeline.stage import StageInput
from keras_gpt3.corpus.pipeline.stage import inputs_digest

# === Stage ===


INPUTS = [
    StageInput("novels", "a.jsonl", "1"),
    StageInput("novels", "b.jsonl", "2"),
    StageInput("crawl", "c.jsonl", "3"),
]


def make(folder, inputs=INPUTS, name="filter", depends_on="", **settings):
    return Stage(name, folder / "2", inputs, settings, depends_on)


def finish_parts(stage):
    stage.start()
    pending = stage.pending_parts()
    for part in pending:
        with written_part(part.output):
            pass
        part.finish({"documents_in": 1})
    return [f"{part.source}/{part.name}" for part in pending]


def test_parts_are_numbered_in_each_source(tmp_path):
    assert [(p.source, p.name, p.input) for p in make(tmp_path).parts] == [
        ("crawl", "part-00000", "c.jsonl"),
        ("novels", "part-00000", "a.jsonl"),
        ("novels", "part-00001", "b.jsonl"),
    ]


def test_the_order_of_sources_does_not_count(tmp_path):
    one = make(tmp_path)
    other = make(tmp_path, [INPUTS[2], *INPUTS[:2]])
    assert other.digest == one.digest
    assert other.outputs() == one.outputs()
    assert make(tmp_path, INPUTS[::-1]).digest != one.digest


def test_a_stage_sums_up_the_counts_of_its_parts_by_source(tmp_path):
    stage = make(tmp_path)
    finish_parts(stage)
    assert not stage.is_done
    totals = stage.finish({"clusters": 2})
    assert stage.is_done
    assert totals == stage.totals == make(tmp_path).totals
    assert totals == {
        "sources": {
            "novels": {"documents_in": 2},
            "crawl": {"documents_in": 1},
        },
        "all": {"documents_in": 3},
        "clusters": 2,
    }


def test_only_what_is_missing_is_pending_after_a_restart(tmp_path):
    finish_parts(make(tmp_path))
    pathlib.Path(make(tmp_path).parts[2].counts_path).unlink()
    assert finish_parts(make(tmp_path)) == ["novels/part-00001"]


def test_a_changed_input_is_pending_and_the_stage_is_not_done(tmp_path):
    stage = make(tmp_path)
    finish_parts(stage)
    stage.finish()
    changed = make(tmp_path, [INPUTS[0], StageInput("novels", "b.jsonl", "9")])
    assert not changed.is_done
    assert changed.totals is None
    assert finish_parts(changed) == ["novels/part-00001"]


def test_all_parts_are_pending_when_what_all_depend_on_changed(tmp_path):
    finish_parts(make(tmp_path, depends_on="1"))
    assert len(finish_parts(make(tmp_path, depends_on="2"))) == 3


def test_parts_of_inputs_that_are_gone_go(tmp_path):
    finish_parts(make(tmp_path))
    other = make(tmp_path, INPUTS[:1])
    finish_parts(other)
    other.finish()
    left = {p.name for p in (tmp_path / "2").rglob("*") if p.is_file()}
    assert left == {
        "part-00000.json",
        "part-00000.jsonl.zst",
        "settings.json",
        "stage.json",
    }


def test_half_written_files_of_a_killed_run_go_at_the_start(tmp_path):
    stage = make(tmp_path)
    stage.start()
    partial = tmp_path / "2" / "novels" / ".part-00000.jsonl.zst.1.partial"
    partial.parent.mkdir()
    partial.write_text("half")
    make(tmp_path).start()
    assert not partial.exists()
    assert len(stage.pending_parts()) == 3


def test_outputs_are_the_inputs_of_the_next_stage(tmp_path):
    first = make(tmp_path)
    second = Stage("dedup", tmp_path / "3", first.outputs(), {})
    assert [part.input for part in second.parts] == [
        part.output for part in first.parts
    ]
    other = make(tmp_path, alpha=3).outputs()
    assert Stage("dedup", tmp_path / "3", other, {}).digest != second.digest


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"alpha": 3}, r"with alpha=9, not 3\. "),
        ({}, r"with alpha=9, not None\. "),
        ({"alpha": 9, "seed": 1}, r"with seed=None, not 1\. "),
        ({"alpha": 9, "name": "dedup"}, r"with stage='filter', not 'dedup'\. "),
    ],
)
def test_a_folder_of_another_run_is_refused_by_the_setting(
    tmp_path, settings, text
):
    finish_parts(make(tmp_path, alpha=9))
    other = make(tmp_path, **settings)
    with pytest.raises(FileExistsError, match=text):
        other.start()
    other.start(overwrite=True)
    assert len(other.pending_parts()) == 3
    assert not list((tmp_path / "2").rglob("*.zst"))


def test_settings_are_compared_as_json_holds_them(tmp_path):
    make(tmp_path, sizes=(1, 2)).start()
    make(tmp_path, sizes=[1, 2]).start()


def test_a_folder_of_something_else_is_never_overwritten(tmp_path):
    (tmp_path / "2").mkdir()
    (tmp_path / "2" / "letter.txt").write_text("Dear")
    message = (
        "A stage's folder must be empty, or hold that stage. Received: folder="
        f"'{tmp_path / '2'}' without settings.json. Pass another path."
    )
    with pytest.raises(FileExistsError, match=f"^{re.escape(message)}$"):
        make(tmp_path).start(overwrite=True)
    assert (tmp_path / "2" / "letter.txt").exists()


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "2").write_text("Dear")
    with pytest.raises(NotADirectoryError, match="must be a folder or not"):
        make(tmp_path).start()


def test_a_stage_without_all_parts_is_not_finished(tmp_path):
    stage = make(tmp_path)
    stage.start()
    message = (
        "A stage must have all of its parts. Received: stage="
        f"'{stage.name}' without {stage.parts[0].counts_path} and 2 more. Run "
        "it again."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        stage.finish()


def test_a_claim_leaves_what_was_finished(tmp_path):
    stage = make(tmp_path)
    finish_parts(stage)
    stage.finish()
    make(tmp_path, []).claim()
    assert stage.is_done
    assert json.loads((tmp_path / "2" / "settings.json").read_bytes()) == {
        "stage": "filter",
        "format": FORMAT,
        "settings": {},
    }


@pytest.mark.parametrize("damage", ["", None])
def test_a_stage_whose_part_is_gone_or_cut_off_is_not_done(tmp_path, damage):
    stage = make(tmp_path)
    finish_parts(stage)
    stage.finish()
    path = pathlib.Path(stage.parts[1].output)
    path.unlink() if damage is None else path.write_text(damage)
    assert not stage.is_done
    assert finish_parts(make(tmp_path)) == ["novels/part-00000"]
    stage.finish()
    assert stage.is_done


def test_counts_of_an_old_input_do_not_count_for_the_text_of_another(tmp_path):
    finish_parts(make(tmp_path))
    other = make(tmp_path, [INPUTS[0], StageInput("novels", "b.jsonl", "9")])
    other.start()
    # Killed here: its text is there, of the same length, without its counts.
    with written_part(other.parts[1].output):
        pass
    assert finish_parts(make(tmp_path, INPUTS[:2])) == ["novels/part-00001"]


def test_a_stage_says_from_what_it_was_made(tmp_path):
    first = make(tmp_path)
    finish_parts(first)
    first.finish()
    second = Stage("dedup", tmp_path / "3", first.outputs()[::-1], {})
    second.start()
    for part in second.parts:
        part.finish({})
    second.finish()
    one, other = (
        json.loads((tmp_path / name / "stage.json").read_bytes())
        for name in "23"
    )
    assert one["outputs"] == other["inputs"] != other["outputs"]


def test_a_kill_during_an_overwrite_does_not_lock_the_folder(
    tmp_path, monkeypatch
):
    old = make(tmp_path, alpha=9)
    finish_parts(old)
    old.finish()
    remove = shutil.rmtree

    def killed(path):
        remove(path)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module.shutil, "rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            make(tmp_path, alpha=3).start(overwrite=True)
    assert not old.is_done
    with pytest.raises(FileExistsError, match="alpha=9, not 3"):
        make(tmp_path, alpha=3).start()
    make(tmp_path, alpha=3).start(overwrite=True)
    assert {path.name for path in (tmp_path / "2").iterdir()} == {
        "settings.json"
    }


def test_parts_of_another_version_of_the_code_are_refused(
    tmp_path, monkeypatch
):
    finish_parts(make(tmp_path))
    monkeypatch.setattr(module, "FORMAT", FORMAT + 1)
    with pytest.raises(FileExistsError, match=f"format={FORMAT}, not"):
        make(tmp_path).start()


# === Stage input ===


def test_another_content_has_another_digest(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("Once")
    os.utime(path, ns=(0, 0))
    first = StageInput.of_file("novels", path)
    assert first == StageInput.of_file("novels", path)
    assert first.path == str(path)
    os.utime(path, ns=(0, 1))
    changed = StageInput.of_file("novels", path)
    path.write_text("Once upon")
    os.utime(path, ns=(0, 0))
    longer = StageInput.of_file("novels", path)
    named = StageInput.of_file("novels", path, "b/a.txt")
    digests = {item.digest for item in (first, changed, longer, named)}
    assert len(digests) == 4


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        StageInput.of_file("novels", tmp_path / "a.txt")


def test_inputs_are_told_apart_by_source_and_content_not_by_order_or_place():
    one = [StageInput("a", "x", "1"), StageInput("b", "y", "2")]
    same = [StageInput("b", "z", "2"), StageInput("a", "x", "1")]
    other = [StageInput("a", "x", "2"), StageInput("b", "y", "1")]
    assert inputs_digest(one) == inputs_digest(same) != inputs_digest(other)
