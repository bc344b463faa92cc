"""The models: what joins the other folders and what users call.

`GPT3` builds on `fit/` (TrainableCausalLM: compile, fit), `generate/`
(GeneratingCausalLM: generate, stream, prefix) and `score/` (ScoringCausalLM:
score); `GPT3Backbone` on `lora/` (AdaptedBackbone: adapters) and `backbone/`
(CachedBackbone: the passes with a cache). Read `gpt3`, `backbone/`, then these.
"""

from keras_gpt3.models.backbone.gpt3_backbone import GPT3Backbone
from keras_gpt3.models.gpt3 import GPT3
from keras_gpt3.models.gpt3_preprocessor import GPT3Preprocessor
from keras_gpt3.models.gpt3_tokenizer import GPT3Tokenizer
from keras_gpt3.models.keras_hub_registration import register_shipped_presets
from keras_gpt3.models.presets.preset_saving import upload_preset
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

register_shipped_presets()
