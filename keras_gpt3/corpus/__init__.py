"""A corpus as Appendix A prepares it, on Apache Beam (the extra `[corpus]`).

Read `corpus_config` and `build`, then the stages in the order of a build, each
a folder: `read`, `quality`, `dedup`, `decontaminate`, `shard`; what they share
is `pipeline`. `pretrain_file` and `report` are written at the end.
"""

from keras_gpt3.argument_checks import echoed
from keras_gpt3.corpus.corpus_config import CorpusConfig
from keras_gpt3.corpus.corpus_config import SourceSection
from keras_gpt3.corpus.pipeline.beam_options import beam_options

__all__ = ["CorpusConfig", "SourceSection", "beam_options", "build_corpus"]


def __getattr__(name):
    # A build imports all stages and TensorFlow, which take seconds. Worker
    # processes import single modules of this folder, and do without.
    if name == "build_corpus":
        from keras_gpt3.corpus.build import build_corpus

        return build_corpus
    raise AttributeError(
        f"A name of {__name__} must be one that it has. Received: "
        f"{echoed(name)}. Use one of {', '.join(__all__)}."
    )
