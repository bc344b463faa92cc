"""A SavedModel of stock TensorFlow operations. TensorFlow only."""

from keras_gpt3.export.saved_model import export_saved_model

__all__ = ["export_saved_model"]
