"""The package without TensorFlow, as the workers of a corpus build have it."""

import importlib.util
import sys
import types


def use_light_package(name="keras_gpt3"):
    """Lets modules of a package be imported, but not the package itself.

    To be called before its first import.

    Args:
        name: string. Defaults to `"keras_gpt3"`.
    """
    package = types.ModuleType(name)
    found = importlib.util.find_spec(name)
    package.__path__ = list(found.submodule_search_locations)
    sys.modules[name] = package
