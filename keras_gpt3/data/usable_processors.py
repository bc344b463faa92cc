"""How many processors this process may use."""

import os


def usable_processors():
    """Counts the processors that this process may use.

    Returns:
        An int, at least 1. Where the system does not tell what a process may
        use, as macOS, all processors of the machine.

    Example:

    ```python
    from keras_gpt3.data.usable_processors import usable_processors

    usable_processors()
    ```
    """
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
