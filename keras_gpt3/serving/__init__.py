"""A small HTTP server for exports, in TensorFlow Serving's REST form.

It needs the extra `[serving]`, which is imported when a server starts.
"""

from keras_gpt3.serving.serve import serve
from keras_gpt3.serving.server_settings import ServerSettings

__all__ = ["ServerSettings", "serve"]
