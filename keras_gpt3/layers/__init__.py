"""Keras layers that own the weights of GPT-3 and call its operations.

Read `block_pattern` (what each block does), `decoder_block`, then
`quantized_layers` (what a quantized layer is saved as).
"""

from keras_gpt3.layers.decoder_block import DecoderBlock
from keras_gpt3.layers.embeddings import PositionEmbedding
from keras_gpt3.layers.layer_norm import LayerNorm

__all__ = ["DecoderBlock", "LayerNorm", "PositionEmbedding"]
