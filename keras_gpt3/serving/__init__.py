"""A small HTTP server for exports, in TensorFlow Serving's REST form.

Read `serve.py` and `http_server.py` (connections), `app.py` (the routes) and
`model_server.py` with `version_folders.py` and `server_metrics.py`; requests:
`json_body.py`, `predict_request.py` (JSON to checked arrays) and
`request_limits.py`; answers: `exported_model.py`, `served_model.py` and
`batching.py` (of scores). Continuous batching is `slots`; OpenAI's route is
`completion_request.py` and `completions.py`. The extra `[serving]` loads when a
server starts.
"""

from keras_gpt3.serving.serve import serve
from keras_gpt3.serving.server_settings import ServerSettings

__all__ = ["ServerSettings", "serve"]
