"""Finds the text files of a corpus that is named by files and folders."""

import pathlib

from keras_gpt3.data.document_files import SUFFIXES


def corpus_files(corpora):
    """List the files that hold a corpus."""
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
