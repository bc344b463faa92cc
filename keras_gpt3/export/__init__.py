"""A SavedModel of stock TensorFlow operations, and other formats.

TensorFlow only. Read `saved_model.py`, then the signatures,
`text_signatures.py`, `token_signatures.py` and `slot_signatures.py`, and what
is written around them: `version_folder.py`, `serving_bundle.py`,
`serving_files.py`. For ONNX, LiteRT and OpenVINO read `model_file.py`,
`step_signatures.py` and `format_conversion.py`.
"""

from keras_gpt3.export.model_file import export_model_file
from keras_gpt3.export.saved_model import export_saved_model

__all__ = ["export_model_file", "export_saved_model"]
