import re

import pytest

from keras_gpt3.corpus.build import build_corpus
from keras_gpt3.corpus.build import build_stage
from keras_gpt3.corpus.corpus_config import CorpusConfig
from keras_gpt3.corpus.corpus_config import DecontaminateSection
from keras_gpt3.corpus.corpus_config import FilterSection
from keras_gpt3.corpus.corpus_config import SourceSection


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"filter": FilterSection(classifier="nowhere")},
            "The classifier must be a folder that exists. Received: ",
        ),
        (
            {"decontaminate": DecontaminateSection(texts=["none.jsonl"])},
            "A file of evaluation texts must exist. Received: "
            "decontaminate.texts='none.jsonl'. Correct the path.",
        ),
        (
            {"folder": __file__},
            "The folder must be a folder or not exist yet. Received: "
            f"folder='{__file__}', where {__file__} is a file.",
        ),
    ],
)
@pytest.mark.parametrize(
    "run", [build_corpus, lambda config: build_stage("read", config)]
)
def test_what_a_later_stage_would_miss_is_told_at_once(
    run, changes, message, tmp_path
):
    (tmp_path / "a.txt").write_text("Once upon a time")
    source = SourceSection(
        files=[str(tmp_path / "a.txt")], quality_filter="filter" in changes
    )
    fields = {"folder": str(tmp_path / "corpus"), "sources": {"a": source}}
    with pytest.raises(OSError, match=f"^{re.escape(message)}"):
        run(CorpusConfig(**fields | changes))
    assert not (tmp_path / "corpus").exists()
