"""The files with which TensorFlow Serving serves an exported model."""

import json
import logging
import pathlib
import re

from keras_gpt3.echoed_value import echoed
from keras_gpt3.export.sealed_text import write_unless_edited

_logger = logging.getLogger("keras_gpt3")

_MONITORING = """prometheus_config {
  enable: true
  path: "/monitoring/prometheus/metrics"
}
"""


def write_serving_bundle(folder, batching, name="gpt3", base_path=None):
    """Writes a server's three files beside the versions of a model.

    - `models.config`, for `--model_config_file`: the model and where the
      server finds its versions.
    - `batching.config`, for `--enable_batching --batching_parameters_file`.
    - `monitoring.config`, for `--monitoring_config_file`: metrics for
      Prometheus at `/monitoring/prometheus/metrics`.

    A file that somebody edited is kept, and the log says so.

    Args:
        folder: path. The folder of the versions.
        batching: `BatchingParameters`.
        name: string. What clients call the model. Defaults to `"gpt3"`.
        base_path: string. The folder of the versions as the server sees it.
            Defaults to `None`, `"/models/NAME"`: where TensorFlow Serving's
            container looks.

    Example:

    ```python
    from keras_gpt3.export.batching_parameters import BatchingParameters
    from keras_gpt3.export.serving_bundle import write_serving_bundle

    write_serving_bundle(".", BatchingParameters(max_batch_size=4))
    ```
    """
    base_path = check_served_as(name, base_path)
    texts = {
        "models.config": _models(name, base_path),
        "batching.config": batching.as_text(),
        "monitoring.config": _MONITORING,
    }
    for file_name, text in texts.items():
        path = pathlib.Path(folder, file_name)
        if not write_unless_edited(path, text):
            _logger.warning(
                "Kept %s, which was edited and differs from what belongs to "
                "this export. Remove it to have it written anew.",
                path,
            )


def check_served_as(name, base_path):
    """Checks what a model is called and where a server finds it.

    Args:
        name: string. The model's name.
        base_path: string, or `None` for the folder of that name in `/models`.

    Returns:
        A string, the base path.

    Raises:
        ValueError: If a server would refuse one of them.

    Example:

    ```python
    from keras_gpt3.export.serving_bundle import check_served_as

    check_served_as("gpt3", None)  # "/models/gpt3"
    ```
    """
    if not re.fullmatch(r"[A-Za-z0-9_.-]+", str(name)):
        raise ValueError(
            "name must consist of letters, digits, dots, dashes and "
            f"underscores. Received: name={echoed(name)}. Pass one such as "
            "'gpt3'."
        )
    base_path = f"/models/{name}" if base_path is None else str(base_path)
    if not base_path.startswith("/") and "://" not in base_path:
        raise ValueError(
            "base_path must be absolute or a URL, as TensorFlow Serving wants "
            f"it. Received: base_path={echoed(base_path)}. Pass one such as "
            f"'/models/{name}'."
        )
    return base_path


def _models(name, base_path):
    # Strings of the text format are quoted as JSON quotes them.
    path = json.dumps(base_path, ensure_ascii=False)
    return (
        "model_config_list {\n"
        "  config {\n"
        f'    name: "{name}"\n'
        f"    base_path: {path}\n"
        '    model_platform: "tensorflow"\n'
        "  }\n"
        "}\n"
    )
