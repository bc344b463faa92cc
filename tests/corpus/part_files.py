"""Parts of documents on disk, for the tests of stages."""

import json

from keras_gpt3.corpus.pipeline.document import Document
from keras_gpt3.corpus.pipeline.part_file import read_part
from keras_gpt3.corpus.pipeline.part_file import read_part_lines
from keras_gpt3.corpus.pipeline.part_file import written_part
from keras_gpt3.corpus.pipeline.stage import StageInput


def write_parts(folder, texts, num_parts=1, source="web"):
    """Writes parts of a source, texts dealt out in turn.

    Args:
        folder: path.
        texts: dict of id to text.
        num_parts: int. Defaults to 1.
        source: string. Defaults to `"web"`.

    Returns:
        A list of `StageInput`.
    """
    documents = [Document(name, source, text) for name, text in texts.items()]
    inputs = []
    for number in range(num_parts):
        path = folder / source / f"part-{number:05}.jsonl.zst"
        with written_part(path) as write:
            for document in documents[number::num_parts]:
                write(document)
        inputs.append(StageInput(source, str(path), f"{number}"))
    return inputs


def kept_ids(stage, source="web"):
    """The ids of what a stage kept of a source, sorted."""
    return sorted(
        document.id
        for item in stage.outputs()
        if item.source == source
        for document in read_part(item.path)
    )


def dropped(stage):
    """What a stage dropped: a dict of id to the record."""
    records = [
        json.loads(line)
        for part in stage.parts
        for line in read_part_lines(part.rejected("dropped"))
    ]
    return {record["id"]: record for record in records}
