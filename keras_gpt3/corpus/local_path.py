"""Paths of a corpus are those of mounted disks."""

import re

from keras_gpt3.echoed_value import echoed

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


def check_is_local(name, path):
    """Raises if a path is a URL.

    Args:
        name: string. Of the setting.
        path: string or path, or `None`.

    Raises:
        ValueError: If it begins with a scheme such as `gs://`.

    Example:

    ```python
    from keras_gpt3.corpus.local_path import check_is_local

    check_is_local("folder", "/mnt/corpus")
    ```
    """
    if path is not None and _SCHEME.match(str(path)):
        raise ValueError(
            f"{name} must be a path that this machine and all workers have "
            f"mounted. Received: {name}={echoed(str(path))}. Mount it, or copy "
            "it to a shared disk."
        )
