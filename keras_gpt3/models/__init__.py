"""The models: what joins the other folders and what users call."""

from keras_gpt3.models.continuation_score import ContinuationScore
from keras_gpt3.models.gpt3 import GPT3
from keras_gpt3.models.gpt3_backbone import GPT3Backbone
from keras_gpt3.models.gpt3_preprocessor import GPT3Preprocessor
from keras_gpt3.models.gpt3_tokenizer import GPT3Tokenizer
from keras_gpt3.models.keras_hub_registration import register_shipped_presets
from keras_gpt3.models.upload_preset import upload_preset

__all__ = [
    "ContinuationScore",
    "GPT3",
    "GPT3Backbone",
    "GPT3Preprocessor",
    "GPT3Tokenizer",
    "upload_preset",
]

register_shipped_presets()
