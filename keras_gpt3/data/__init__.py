"""Token shards, packing and a data order that is a function of the step.

Read `write_token_shards` and `token_shards` (the files), `context_order`,
`packed_dataset` and `batch_ramp` (a run's batches), then `mixture`; for
fine-tuning `completion_pairs` and `completion_dataset`.
"""

from keras_gpt3.data.batch_ramp import BatchRamp
from keras_gpt3.data.completion_dataset import completion_dataset
from keras_gpt3.data.completion_pairs import CompletionExamples
from keras_gpt3.data.completion_pairs import read_completion_pairs
from keras_gpt3.data.context_order import contexts_of_step
from keras_gpt3.data.mixture import Mixture
from keras_gpt3.data.packed_dataset import pack
from keras_gpt3.data.packed_dataset import packed_dataset
from keras_gpt3.data.token_shards import TokenShards
from keras_gpt3.data.write_token_shards import write_token_shards

__all__ = [
    "BatchRamp",
    "CompletionExamples",
    "Mixture",
    "TokenShards",
    "completion_dataset",
    "contexts_of_step",
    "pack",
    "packed_dataset",
    "read_completion_pairs",
    "write_token_shards",
]
