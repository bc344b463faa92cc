"""A small HTTP server for exports, in TensorFlow Serving's REST form.

Read `serve.py`, `app.py` (the routes) and `model_server.py`; then
`predict_request.py` (JSON to checked arrays), `batching.py`, `served_model.py`
(batches and streams) and `exported_model.py`. OpenAI's route is
`completion_request.py` and `completions.py`. The extra `[serving]` loads when
a server starts.
"""

from keras_gpt3.serving.serve import serve
from keras_gpt3.serving.server_settings import ServerSettings

__all__ = ["ServerSettings", "serve"]
