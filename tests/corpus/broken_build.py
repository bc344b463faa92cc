"""Runs all stages, and kills itself after a number of parts: `kill -9`.

Started by `restart_test.py`, without TensorFlow.
"""

import json
import os
import pathlib
import runpy
import signal
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


class PresetTokenizer:
    """What of `GPT3Tokenizer` a build asks for."""

    end_token_id = 50256
    special_tokens = ("<|endoftext|>",)

    def __init__(self):
        from keras_gpt3 import preset_loader
        from keras_gpt3.tokenization.byte_pair_encoding import (
            shared_byte_pair_encoding,
        )

        paths = preset_loader.vocabulary_paths()
        self._encoding = shared_byte_pair_encoding(*paths)
        self.vocabulary = self._encoding.vocabulary
        self.merges = self._encoding.merges

    def save_assets(self, folder):
        path = pathlib.Path(folder, "vocabulary.json")
        path.write_text(json.dumps(self.vocabulary))
        pathlib.Path(folder, "merges.txt").write_text("\n".join(self.merges))


def kill_after(num_parts):
    """Kills this process as soon as that many parts are done."""
    from keras_gpt3.corpus.pipeline.part_file import StagePart

    finish, left = StagePart.finish, num_parts

    def counted(part, counts):
        nonlocal left
        # Every other time its files are there and its counts are not.
        if left == 0 or (left == 1 and num_parts % 2):
            os.kill(os.getpid(), signal.SIGKILL)
        finish(part, counts)
        left -= 1

    StagePart.finish = counted


def main(raw, folder, num_parts):
    from keras_gpt3.corpus.corpus_config import DecontaminateSection
    from keras_gpt3.corpus.corpus_config import DedupSection
    from keras_gpt3.corpus.corpus_config import ReadSection
    from keras_gpt3.corpus.corpus_config import ShardSection
    from keras_gpt3.corpus.decontaminate.decontaminate_stage import (
        decontaminate_stage,
    )
    from keras_gpt3.corpus.decontaminate.decontamination import EvaluationTexts
    from keras_gpt3.corpus.dedup.dedup_stage import dedup_stage
    from keras_gpt3.corpus.pipeline.beam_options import beam_options
    from keras_gpt3.corpus.read.read_stage import read_stage
    from keras_gpt3.corpus.shard.shard_stage import shard_stage

    if int(num_parts):
        kill_after(int(num_parts))
    raw, folder = pathlib.Path(raw), pathlib.Path(folder)
    one = beam_options(workers=1)
    stage = read_stage(
        ReadSection(), {"novels": [f"{raw}/*.jsonl"]}, folder / "1", options=one
    )
    stage = dedup_stage(DedupSection(), stage.outputs(), folder / "3")
    evaluation = EvaluationTexts.read(raw / "evaluation.json")
    stage = decontaminate_stage(
        DecontaminateSection(),
        stage.outputs(),
        folder / "4",
        evaluation=evaluation,
    )
    shard_stage(
        ShardSection(tokens_per_shard=4000),
        stage.outputs(),
        folder / "5",
        tokenizer=PresetTokenizer(),
    )


if __name__ == "__main__":
    worker = runpy.run_path(f"{ROOT}/keras_gpt3/corpus/pipeline/beam_worker.py")
    sys.modules["keras_gpt3"] = worker["light_package"](f"{ROOT}/keras_gpt3")
    sys.path.insert(0, str(ROOT))
    main(*sys.argv[1:])
