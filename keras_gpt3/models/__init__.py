"""The models: what joins the other folders and what users call.

Read `gpt3` and down its ladder of classes: `GPT3` has presets and export, in
`score` `ScoringCausalLM` likelihoods, in `generate` `GeneratingCausalLM`
answers, streams, beams and prefixes, in `fit` `TrainableCausalLM` compiling,
training and evaluation; below is keras-hub's `CausalLM`. The backbone's: in
`backbone` `GPT3Backbone` has layers and config, `CachedBackbone` the passes
with a cache, in `lora` `AdaptedBackbone` adapters.
"""

from keras_gpt3.models.backbone.gpt3_backbone import GPT3Backbone
from keras_gpt3.models.gpt3 import GPT3
from keras_gpt3.models.gpt3_preprocessor import GPT3Preprocessor
from keras_gpt3.models.gpt3_tokenizer import GPT3Tokenizer
from keras_gpt3.models.presets.preset_registry import register_with_keras_hub
from keras_gpt3.models.presets.upload_preset import upload_preset
from keras_gpt3.models.score.continuation_scoring import ContinuationScore

# As keras-hub calls such classes.
GPT3CausalLM = GPT3
GPT3CausalLMPreprocessor = GPT3Preprocessor

__all__ = [
    "ContinuationScore",
    "GPT3",
    "GPT3Backbone",
    "GPT3CausalLM",
    "GPT3CausalLMPreprocessor",
    "GPT3Preprocessor",
    "GPT3Tokenizer",
    "upload_preset",
]

register_with_keras_hub(GPT3Backbone, GPT3Tokenizer, GPT3Preprocessor)
