"""Which SavedModel of a folder is served: itself, or its highest version."""

import pathlib


def newest_version(folder):
    """Finds the SavedModel to serve.

    A base folder holds versions in folders of digits, as TensorFlow Serving
    takes them; anything else in it is passed over.

    Args:
        folder: path. One SavedModel, or a base folder.

    Returns:
        A pair of the version, an int, and its folder, a `pathlib.Path`. One
        SavedModel by itself has the version of its name, or 1.

    Raises:
        ValueError: If there is no SavedModel.

    Example:

    ```python
    import pathlib

    from keras_gpt3.serving.version_folders import newest_version

    for version in ("1", "2"):
        path = pathlib.Path("exported") / version / "saved_model.pb"
        path.parent.mkdir(parents=True)
        path.touch()
    newest_version("exported")  # (2, Path("exported/2"))
    ```
    """
    folder = pathlib.Path(folder)
    if _is_saved_model(folder):
        number = folder.resolve().name
        return int(number) if _is_number(number) else 1, folder
    children = folder.iterdir() if folder.is_dir() else ()
    versions = [
        (int(path.name), path)
        for path in children
        if _is_number(path.name) and _is_saved_model(path)
    ]
    if not versions:
        raise ValueError(
            "FOLDER must be a SavedModel, or hold versions in folders such as "
            f"1. Received: FOLDER={str(folder)!r}. Write one with "
            "model.export(folder)."
        )
    return max(versions)


def _is_number(name):
    return name.isascii() and name.isdigit()


def _is_saved_model(path):
    return (path / "saved_model.pb").is_file()
