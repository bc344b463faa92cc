import pytest

from keras_gpt3.corpus.corpus_config import DedupSection
from keras_gpt3.corpus.dedup import dedup_plan as module
from keras_gpt3.corpus.dedup.dedup_plan import SignatureIndex
from keras_gpt3.corpus.dedup.dedup_stage import dedup_stage
from keras_gpt3.corpus.pipeline.beam_options import beam_options
from tests.corpus.part_files import write_parts

SETTINGS = {"num_hashes": 10, "num_features": 2**18}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A finished stage of two parts, one of whose documents went."""
    folder = tmp_path_factory.mktemp("index")
    texts = {"a": "to be", "b": "or not", "c": "To Be"}
    inputs = write_parts(folder / "in", texts, num_parts=2)
    one = beam_options(workers=1)
    dedup_stage(DedupSection(), inputs, folder / "out", options=one)
    return folder / "out"


def test_an_index_holds_what_a_stage_kept(folder):
    index = SignatureIndex.open(folder, SETTINGS)
    parts = index.planned_parts(("crawl", "web"))
    assert [part.source for part in parts] == ["web", "web"]
    rows = [len(part.digest_entries(0)) for part in parts]
    # Two documents, each in two namespaces.
    assert sum(rows) == 2 * 2
    assert index.digest == SignatureIndex.open(folder, SETTINGS).digest


def test_what_is_no_index_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="finished stage dedup. R"):
        SignatureIndex.open(tmp_path, SETTINGS)


def test_an_index_of_other_settings_is_refused(folder):
    with pytest.raises(ValueError, match="index must have the settings of the"):
        SignatureIndex.open(folder, SETTINGS | {"num_hashes": 20})


def test_an_index_of_another_version_of_the_code_is_refused(
    folder, monkeypatch
):
    monkeypatch.setattr(module, "FORMAT", module.FORMAT + 1)
    with pytest.raises(ValueError, match="index must have the settings of the"):
        SignatureIndex.open(folder, SETTINGS)
