import json
import re

import pytest

from keras_gpt3.atomic_write import write_json
from keras_gpt3.corpus.build import corpus_summary
from keras_gpt3.corpus.build import part_inputs
from keras_gpt3.corpus.build import stage_folder
from keras_gpt3.corpus.build import write_summaries
from keras_gpt3.corpus.corpus_config import CorpusConfig
from keras_gpt3.corpus.corpus_config import SourceSection
from keras_gpt3.corpus.pipeline.part_file import written_part
from keras_gpt3.corpus.pipeline.stage import Stage
from keras_gpt3.corpus.pipeline.stage import StageInput
from keras_gpt3.corpus.pipeline.stage import inputs_digest
from keras_gpt3.data.shard_writer import ShardWriter

# === Corpus summary ===


READ = {"documents_in": 4, "documents_out": 3, "dropped": {"short": 1}}
DEDUP = {"documents_in": 3, "documents_out": 3, "dropped": {}}
SHARD = {"documents_in": 3, "documents_out": 3, "tokens": 9}


@pytest.fixture
def config(tmp_path):
    """A corpus whose second source has nothing left."""
    sources = {
        name: SourceSection(files=[name], weight=weight, licence=name.upper())
        for name, weight in (("a", 3.0), ("b", 1.0))
    }
    config = CorpusConfig(str(tmp_path), sources)
    chain = (("read", READ), ("dedup", DEDUP), ("shard", SHARD))
    for number, (name, counts) in enumerate(chain):
        totals = {"all": counts, "sources": {"a": counts | {"length": {}}}}
        stage = {"inputs": number, "outputs": number + 1, "totals": totals}
        write_json(stage_folder(config, name) / "stage.json", stage)
    # Of a config that had a classifier once.
    write_json(stage_folder(config, "filter") / "stage.json", stage)
    for side, ids in (("", [1, 2, 50256]), ("validation", [3, 50256])):
        folder = stage_folder(config, "shard") / "a" / side
        with ShardWriter(folder, "uint16", 100) as writer:
            writer.append(ids)
            writer.commit(50256, 50257)
    return config


def test_sources_and_stages_are_told_of(config):
    summary = corpus_summary(config)
    assert list(summary["stages"]) == ["read", "dedup", "shard"]
    a, b = summary["sources"].values()
    # The weights are those of what is left.
    assert (a["licence"], a["weight"]) == ("A", 1.0)
    assert a["shards"]["train"]["tokens"] == 3
    assert a["shards"]["validation"]["tokens"] == 2
    assert b == {"licence": "B", "weight": None, "shards": {}}


def test_each_source_s_numbers_stand_beside_its_shards(config):
    summary = corpus_summary(config)
    write_summaries(config, summary)
    folder = stage_folder(config, "shard")
    whole = json.loads((folder / "corpus.json").read_text())
    assert whole == summary
    found = json.loads((folder / "a" / "corpus.json").read_text())
    assert found["source"] == "a" and found["licence"] == "A"
    # Counts alone, for a person to read.
    assert found["stages"] == {"read": READ, "dedup": DEDUP, "shard": SHARD}
    assert not (folder / "b").exists()


@pytest.mark.parametrize("name", ["read", "dedup"])
def test_what_is_older_than_the_stage_before_is_not_told_of(config, name):
    path = stage_folder(config, name) / "stage.json"
    stage = json.loads(path.read_bytes()) | {"outputs": "new"}
    write_json(path, stage)
    summary = corpus_summary(config)
    names = ["read", "dedup"]
    assert list(summary["stages"]) == names[: names.index(name) + 1]
    # A manifest that is there is of the older documents.
    assert summary["sources"]["a"]["shards"] == {}


# === Part inputs ===


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
    path = stage.folder / "a" / "part-00003.json"
    path.write_text("{}")
    message = (
        f"A part must have its counts beside it. Received: file='{path}' "
        "(KeyError('digest')). Run the stage that wrote it again."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
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
