"""Memory that a container's limit leaves free (Linux control groups)."""

import pathlib

# Version 2 and version 1: folder of the controller, its limit, its usage, and
# the line of memory.stat that holds the file cache the kernel can drop.
_LAYOUTS = (
    ("", "memory.max", "memory.current", "inactive_file"),
    (
        "memory",
        "memory.limit_in_bytes",
        "memory.usage_in_bytes",
        "total_inactive_file",
    ),
)


def container_memory(mount="/sys/fs/cgroup", membership="/proc/self/cgroup"):
    """Finds what the tightest control group of this process leaves free.

    A process inside a container sees the memory of the whole machine; the
    kernel kills it at the container's limit all the same.

    Args:
        mount: string. The folder where the control groups are mounted. Defaults
            to `"/sys/fs/cgroup"`.
        membership: string. The file that names this process's groups. Defaults
            to `"/proc/self/cgroup"`.

    Returns:
        An int, bytes, or `None` where no limit is set.

    Example:

    ```python
    from keras_gpt3.planning import container_memory

    container_memory()  # 8589934592 in a container limited to 8 GiB
    ```
    """
    free = [
        _free(folder, *files)
        for controller, *files in _LAYOUTS
        for folder in _folders(mount, membership, controller)
    ]
    return min((f for f in free if f is not None), default=None)


def _folders(mount, membership, controller):
    """The process's group, all groups above it, and the mount itself."""
    root = pathlib.Path(mount) / controller
    yield root
    for line in _read(pathlib.Path(membership)).splitlines():
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(","):
            group = pathlib.PurePosixPath(path.lstrip("/"))
            yield from (root / g for g in (group, *group.parents))


def _free(folder, limit_file, usage_file, cache_key):
    limit = _read(folder / limit_file).strip()
    if not limit.isdigit():  # "max", or no such file
        return None
    usage = int(_read(folder / usage_file) or 0)
    statistics = dict(
        line.split() for line in _read(folder / "memory.stat").splitlines()
    )
    cache = int(statistics.get(cache_key, 0))
    return max(0, int(limit) - max(0, usage - cache))


def _read(path):
    try:
        return path.read_text()
    except OSError:
        return ""
