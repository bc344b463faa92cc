"""The files with which TensorFlow Serving serves an exported model."""

import hashlib
import json
import logging
import pathlib
import re

from keras_gpt3.argument_checks import echoed
from keras_gpt3.atomic_write import atomic_write

_logger = logging.getLogger("keras_gpt3")

_MONITORING = """prometheus_config {
  enable: true
  path: "/monitoring/prometheus/metrics"
}
"""


def write_serving_bundle(folder, batching, name="gpt3", base_path=None):
    """Write a server's three files beside the versions of a model.

    - `models.config`, for `--model_config_file`: the model and where the
      server finds its versions.
    - `batching.config`, for `--enable_batching --batching_parameters_file`.
    - `monitoring.config`, for `--monitoring_config_file`: metrics for
      Prometheus at `/monitoring/prometheus/metrics`.

    A file that was edited is kept, and a warning is logged.
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
    """Check the name of a model and where a server finds it."""
    if not re.fullmatch(r"[A-Za-z0-9_.-]+", str(name)):
        raise ValueError(
            "name must consist of letters, digits, dots, dashes and "
            f"underscores. Received: name={echoed(name)}. Pass one such as "
            "'gpt3'."
        )
    base_path = f"/models/{name}" if base_path is None else str(base_path)
    if not base_path.startswith("/") and "://" not in base_path:
        raise ValueError(
            "base_path must be absolute or a URL, as TensorFlow Serving "
            f"requires it. Received: base_path={echoed(base_path)}. Pass one "
            f"such as '/models/{name}'."
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


_SEAL = "# Written by keras_gpt3; replaced by the next export unless edited: "


def write_unless_edited(path, text):
    """Write a text file atomically, but not over edits.

    Its first line, a comment, holds a checksum of the rest. A file without it,
    or with another checksum, was edited, and stays as it is.
    """
    path = pathlib.Path(path)
    if path.exists():
        present = path.read_text("utf-8")
        body = present.partition("\n")[2]
        if present != _sealed(body):
            return text in (present, body)
    with atomic_write(path) as file:
        file.write(_sealed(text).encode())
    return True


def _sealed(text):
    return f"{_SEAL}{hashlib.sha256(text.encode()).hexdigest()[:16]}\n{text}"
