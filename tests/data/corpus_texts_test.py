import json

import pytest

from keras_gpt3.data import write_token_shards
from keras_gpt3.data.corpus_texts import CorpusTexts


def test_files_folders_and_shards_come_in_order(tmp_path, tokenizer):
    tokenizer.detokenize = lambda ids: "".join(map(chr, ids))
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a.jsonl").write_text(json.dumps({"text": "one"}))
    (folder / "b.txt").write_text("two")
    write_token_shards(["three", "four"], tmp_path / "shards", tokenizer)
    corpora = [tmp_path / "shards", str(folder / "b.txt"), folder]
    texts = CorpusTexts(corpora, tokenizer)
    assert texts.num_bytes_read == 0
    assert list(texts) == ["three", "four", "two", "one", "two"]
    assert texts.num_bytes_read == texts.num_bytes
    assert texts.num_bytes == 2 * 11 + 3 + len('{"text": "one"}') + 3


def test_shards_without_a_tokenizer_raise(tmp_path, tokenizer):
    write_token_shards(["one"], tmp_path, tokenizer)
    with pytest.raises(ValueError, match="must come with the tokenizer that "):
        CorpusTexts([tmp_path])


def test_a_path_that_names_nothing_raises(tmp_path):
    with pytest.raises(FileNotFoundError, match="must be a file or a folder"):
        CorpusTexts([tmp_path / "absent"])
