"""The machine and the versions that stand in every report."""

import importlib.metadata
import os
import pathlib
import platform


def versions(*packages):
    """Versions of Python and of packages, the processor and its cores.

    Args:
        *packages: strings. Names of distributions; those that are not
            installed are left out.

    Returns:
        A dict from name to string, and `cores` as an int.
    """
    found = {"python": platform.python_version()}
    for package in packages:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found | {"processor": processor(), "cores": cores()}


def processor():
    """The model name of the processor."""
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    models = [x.split(":", 1)[1] for x in lines if x.startswith("model name")]
    return models[0].strip() if models else platform.processor()


def cores():
    """The number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count()
