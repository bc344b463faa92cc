"""Paths of a corpus are those of mounted disks."""

import re

from keras_gpt3.echoed_value import echoed

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


def check_is_local(name, path):
    """Raises if a path is a URL."""
    if path is not None and _SCHEME.match(str(path)):
        raise ValueError(
            f"{name} must be a path that this machine and all workers have "
            f"mounted. Received: {name}={echoed(str(path))}. Mount it, or copy "
            "it to a shared disk."
        )
