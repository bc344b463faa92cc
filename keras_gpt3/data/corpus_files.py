"""Finds the text files of a corpus that is named by files and folders."""

import pathlib

from keras_gpt3.data.document_files import SUFFIXES


def corpus_files(corpora):
    """List the files that hold a corpus.

    Args:
        corpora: list of paths. A file stands for itself. A folder stands for
            all `.jsonl`, `.jsonl.gz`, `.txt` and `.txt.gz` files in it and in
            its folders, sorted by their path; other files and hidden ones are
            left out.

    Returns:
        A list of `pathlib.Path`, in the order of `corpora`.

    Raises:
        FileNotFoundError: If a path names nothing.
        ValueError: If a folder holds no such file.

    Example:

    ```python
    import pathlib
    import tempfile

    from keras_gpt3.data.corpus_files import corpus_files

    folder = pathlib.Path(tempfile.mkdtemp())
    (folder / "two.txt").write_text("there was a model")
    (folder / "one.jsonl").write_text('{"text": "Once upon a time"}')
    print(corpus_files([folder]))  # one.jsonl, then two.txt
    ```
    """
    files = []
    for corpus in map(pathlib.Path, corpora):
        if corpus.is_dir():
            files += _files_in(corpus)
        elif corpus.exists():
            files.append(corpus)
        else:
            raise FileNotFoundError(
                "A corpus must be a file or a folder. Received: "
                f"corpus='{corpus}', which does not exist. Correct the path."
            )
    return files


def _files_in(folder):
    files = [
        path
        for path in sorted(folder.rglob("*"))
        if path.name.lower().endswith(SUFFIXES)
        and not any(
            part.startswith(".") for part in path.relative_to(folder).parts
        )
        and path.is_file()
    ]
    if not files:
        raise ValueError(
            f"A corpus folder must hold a file that ends in one of "
            f"{', '.join(SUFFIXES)}. Received: corpus='{folder}' with none. "
            "Pass another folder, or convert its files."
        )
    return files
