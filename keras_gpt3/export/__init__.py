"""A SavedModel of stock TensorFlow operations. TensorFlow only.

Read `saved_model.py`, then the signatures, `text_signatures.py`,
`token_signatures.py` and `slot_signatures.py`, and what is written around them:
`version_folder.py`, `serving_bundle.py`, `serving_files.py`.
"""

from keras_gpt3.export.saved_model import export_saved_model

__all__ = ["export_saved_model"]
