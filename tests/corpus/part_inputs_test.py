import pytest

from keras_gpt3.atomic_write import write_json
from keras_gpt3.corpus.build import part_inputs
from keras_gpt3.corpus.pipeline.part_file import written_part
from keras_gpt3.corpus.pipeline.stage import Stage
from keras_gpt3.corpus.pipeline.stage import StageInput
from keras_gpt3.corpus.pipeline.stage import inputs_digest


@pytest.fixture
def stage(tmp_path):
    inputs = [StageInput(s, f"{s}{i}", "1f") for s in "ab" for i in range(11)]
    stage = Stage("read", tmp_path / "1_read", inputs, {})
    stage.start()
    for part in stage.parts:
        with written_part(part.rejected("dropped")), written_part(part.output):
            pass
        part.finish({})
    return stage


def test_the_parts_of_a_finished_stage_are_found(stage):
    stage.finish()
    assert part_inputs(stage.folder) == stage.outputs()


def test_a_stage_that_is_not_done_is_no_input(stage):
    with pytest.raises(
        FileNotFoundError, match="with 22 parts and no stage.json. Run the"
    ):
        part_inputs(stage.folder)
    with pytest.raises(FileNotFoundError, match="with 0 parts and no stage"):
        part_inputs(stage.folder / "absent")


def test_a_part_without_counts_raises(stage):
    stage.finish()
    (stage.folder / "a" / "part-00003.json").write_text("{")
    with pytest.raises(ValueError, match="counts beside it.*a/part-00003.json"):
        part_inputs(stage.folder)


def test_a_part_that_is_gone_is_not_left_out_in_silence(stage):
    stage.finish()
    (stage.folder / "a" / "part-00003.jsonl.zst").unlink()
    with pytest.raises(
        FileNotFoundError, match="must have all parts .*with 21 parts, which"
    ):
        part_inputs(stage.folder)


def test_parts_come_by_number(tmp_path):
    for number in (99999, 100000):
        with written_part(tmp_path / "a" / f"part-{number}.jsonl.zst"):
            pass
        write_json(tmp_path / "a" / f"part-{number}.json", {"digest": "1"})
    inputs = [
        StageInput("a", str(tmp_path / "a" / f"part-{n}.jsonl.zst"), "1")
        for n in (99999, 100000)
    ]
    write_json(tmp_path / "stage.json", {"outputs": inputs_digest(inputs)})
    assert part_inputs(tmp_path) == inputs
