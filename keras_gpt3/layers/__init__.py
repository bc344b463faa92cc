"""Keras layers that own the weights of GPT-3 and call its operations."""

from keras_gpt3.layers.decoder_block import DecoderBlock
from keras_gpt3.layers.layer_norm import LayerNorm
from keras_gpt3.layers.position_embedding import PositionEmbedding

__all__ = ["DecoderBlock", "LayerNorm", "PositionEmbedding"]
