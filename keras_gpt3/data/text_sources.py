"""The texts of a file, or of a split of a dataset of Hugging Face's hub.

Each source is read once, a few texts in memory at a time.
"""

import contextlib
import errno
import os
import re
import urllib.parse

from keras_gpt3.argument_checks import cut_text
from keras_gpt3.argument_checks import echoed
from keras_gpt3.data.json_objects import decompressed
from keras_gpt3.data.json_objects import json_objects_in
from keras_gpt3.needed_packages import needed_packages

TEXT_SUFFIXES = (".txt", ".txt.gz")
JSON_SUFFIXES = (".jsonl", ".jsonl.gz")
PARQUET_SUFFIX = ".parquet"
SUFFIXES = (*JSON_SUFFIXES, *TEXT_SUFFIXES, PARQUET_SUFFIX)


def text_source(path, column="text"):
    """Make the source of a path, so that what can be wrong is known."""
    if is_hub_path(path):
        return HubTexts(path, column)
    if not path.lower().endswith(SUFFIXES):
        raise ValueError(
            f"A path must end in one of {', '.join(SUFFIXES)}. Received: "
            f"path='{path}'. Convert the file, or pass a list of texts."
        )
    if not os.path.isfile(path):
        raise FileNotFoundError(
            f"A path must name a file. Received: path='{path}'. Correct it; "
            "a text that looks like a path must not come first."
        )
    is_parquet = path.lower().endswith(PARQUET_SUFFIX)
    return (ParquetTexts if is_parquet else FileTexts)(path, column)


def _fault(fields, column):
    """What is wrong with a document's fields, or `None`."""
    if column not in fields:
        return f"it has no {column}"
    text = fields[column]
    if not isinstance(text, str):
        return f"its {column} is of type {type(text).__name__}"
    try:
        # Escapes can spell half a character, which has no bytes.
        text.encode()
    except UnicodeEncodeError as error:
        return f"its {column}: {error}"
    return None


# === JSON lines and plain text ===


class FileTexts:
    """Iterates over the documents of a file of lines or of text."""

    def __init__(self, path, column):
        self._path, self._column = path, column
        self._tell = lambda: 0

    @property
    def num_bytes(self):
        """int. The size of the file."""
        return os.path.getsize(self._path)

    @property
    def num_bytes_read(self):
        """int. How much of it has been read."""
        return self._tell()

    def __iter__(self):
        with open(self._path, "rb") as file:
            self._tell = file.tell
            yield from read_documents(file, self._path, self._column)
            self._tell = lambda: self.num_bytes


def read_documents(file, path, column="text"):
    """Yield the documents of an open file."""
    with decompressed(file, path) as stream:
        if str(path).lower().endswith(TEXT_SUFFIXES):
            yield _read_text(stream, path)
        else:
            yield from _read_lines(stream, path, column)


def _read_text(stream, path):
    try:
        return stream.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(
            "A .txt file must be UTF-8. Received: "
            f"file='{path}' ({error}). Convert it to UTF-8."
        ) from error


def _read_lines(stream, path, column):
    for where, fields in json_objects_in(stream, path, "documents"):
        reason = _fault(fields, column)
        if reason:
            raise ValueError(
                f'Each line of a file of documents must have a "{column}" '
                f"string. Received: {where} ({reason}). Correct or remove the "
                "line."
            )
        yield fields[column]


# === Parquet ===

_BATCH_ROWS = 256
# Text takes a third to a tenth of its bytes when it is compressed.
_LARGE_BYTES, _MOST_RATIO = 2**28, 200


class SwollenColumnError(Exception):
    """A column whose few bytes state so many that they are no texts."""


def import_parquet():
    """Import `pyarrow`, with `pyarrow.parquet`."""
    with needed_packages("Parquet files must be read by pyarrow", "corpus"):
        import pyarrow.parquet
    return pyarrow


def read_metadata(raw):
    """Read what an open file says of itself at its end."""
    # Given open: the library takes no name of a file that is not UTF-8.
    return import_parquet().parquet.read_metadata(raw)


def read_rows(raw, metadata, columns):
    """Yield the values of some columns of an open file, a row at a time.

    Strings come as bytes, for they may be no UTF-8.
    """
    _check_sizes(metadata, columns)
    parquet = import_parquet().parquet
    # A value that a file holds once, for many rows, is held once here as well.
    with parquet.ParquetFile(raw, read_dictionary=columns) as file:
        # One by one: asked for all, the library keeps the bytes of those that
        # it has read, 445 MB of a file of 400 against 67.
        for group in range(file.num_row_groups):
            batches = file.iter_batches(
                _BATCH_ROWS, row_groups=[group], columns=columns
            )
            for batch in batches:
                yield from zip(*map(_values, batch.columns), strict=True)


def _check_sizes(metadata, columns):
    for group in map(metadata.row_group, range(metadata.num_row_groups)):
        for chunk in map(group.column, range(group.num_columns)):
            if chunk.path_in_schema not in columns:
                continue
            whole, stored = (
                chunk.total_uncompressed_size,
                chunk.total_compressed_size,
            )
            if whole > _LARGE_BYTES and whole > _MOST_RATIO * stored:
                raise SwollenColumnError(
                    f"{stored} bytes of {chunk.path_in_schema} state {whole}"
                )


def _values(column):
    pyarrow = import_parquet()
    if pyarrow.types.is_dictionary(column.type):
        values = [*_values(column.dictionary), None]
        indices = column.indices.fill_null(len(values) - 1)
        return [values[index] for index in indices.to_pylist()]
    if pyarrow.types.is_string(column.type) or pyarrow.types.is_large_string(
        column.type
    ):
        column = column.cast(pyarrow.large_binary())
    return column.to_pylist()


class ParquetTexts:
    """Iterates over the texts of a column of a Parquet file."""

    def __init__(self, path, column):
        self._path, self._column = path, column
        self._num_rows_read = 0
        with self._named_damage(), open(path, "rb") as raw:
            metadata = read_metadata(raw)
            names = metadata.schema.to_arrow_schema().names
        self._num_rows = metadata.num_rows
        if column not in names:
            raise _missing_column(f"file='{path}'", column, names)

    @property
    def num_bytes(self):
        """int. The size of the file."""
        return os.path.getsize(self._path)

    @property
    def num_bytes_read(self):
        """int. How much of it has been read, by its rows."""
        share = self._num_rows_read / self._num_rows if self._num_rows else 1
        return int(share * self.num_bytes)

    def __iter__(self):
        with self._named_damage(), open(self._path, "rb") as raw:
            rows = read_rows(raw, read_metadata(raw), [self._column])
            for number, (value,) in enumerate(rows, start=1):
                yield self._text(value, number)
                self._num_rows_read = number

    def _text(self, value, number):
        where = f"file='{self._path}', row={number}"
        try:
            if isinstance(value, bytes):
                value = value.decode()
            reason = _fault({self._column: value}, self._column)
        except UnicodeDecodeError as error:
            reason = f"its {self._column}: {error}"
        if reason:
            raise _no_text(where, reason, self._column)
        return value

    @contextlib.contextmanager
    def _named_damage(self):
        """A context in which a damaged file is named."""
        arrow = import_parquet().ArrowException
        damage = (arrow, OSError, SwollenColumnError, UnicodeDecodeError)
        try:
            yield
        except damage as error:
            # What else the system says is not of the content.
            if getattr(error, "errno", None) not in (None, errno.EINVAL):
                raise
            raise ValueError(
                "A Parquet file must be complete and not damaged. Received: "
                f"file='{self._path}', column='{self._column}' "
                f"({_one_line(error)}). Copy it again."
            ) from error


def _missing_column(where, column, names):
    return ValueError(
        f"Documents must have the column of their texts. Received: {where}, "
        f"text_column='{column}', where there is "
        f"{cut_text(', '.join(names)) or 'none'}. Name one of these with "
        "text_column (--text-column)."
    )


def _no_text(where, reason, column):
    return ValueError(
        f'Each row of documents must have a "{column}" string. Received: '
        f"{where} ({reason}). Correct or remove the row."
    )


def _one_line(error):
    return cut_text(" ".join(str(error).split()).rstrip("."))


# === The hub ===

_HUB = "hf://datasets/"
_FORM = re.compile(
    rf"{_HUB}([\w.-]+/[\w.-]+)(?:@([^/\s]+))?/(\S*[^/\s])", re.ASCII
)


def is_hub_path(path):
    """Whether a path names a dataset of the hub."""
    return str(path).startswith(_HUB)


class HubTexts:
    """Iterates over the texts of a split of a dataset as they arrive.

    The path is `hf://datasets/OWNER/NAME[@REVISION]/` and, as the hub's own
    Parquet copies lie there, `[CONFIG/]SPLIT`; or files in the repository.
    """

    num_bytes = None  # Not known before the end.
    num_bytes_read = 0

    def __init__(self, path, column):
        self._path, self._column = path, column
        self._num_rows = 0
        arguments = _arguments(path)
        with needed_packages("Datasets must be read by datasets", "evaluate"):
            import datasets
        with self._named_failure():
            dataset = datasets.load_dataset(**arguments, streaming=True)
            names = dataset.column_names
        # Where a format has no schema, the first row tells.
        if names is not None:
            if column not in names:
                raise _missing_column(f"corpus='{path}'", column, names)
            # Pictures and sounds beside it need not be decoded.
            dataset = dataset.select_columns([column])
        self._dataset = dataset

    def __iter__(self):
        rows = iter(self._dataset)
        while True:
            with self._named_failure():
                row = next(rows, None)
            if row is None:
                return
            self._num_rows += 1
            reason = _fault(row, self._column)
            if reason:
                where = f"corpus='{self._path}', row={self._num_rows}"
                raise _no_text(where, reason, self._column)
            yield row[self._column]

    @contextlib.contextmanager
    def _named_failure(self):
        """A context in which whatever a dataset's way fails at is named."""
        try:
            yield
        # Networks, archives, scripts and five libraries raise their own.
        except Exception as error:
            raise OSError(
                "A dataset must load from the hub. Received: corpus="
                f"'{self._path}', {self._num_rows} rows read "
                f"({type(error).__name__}: {_one_line(error)}). Correct the "
                "path, or try again."
            ) from error


def _arguments(path):
    """What `datasets.load_dataset` takes for a path."""
    form = _FORM.fullmatch(path)
    parts = form[3].split("/") if form else ()
    is_file = bool(parts) and ("." in parts[-1] or "*" in parts[-1])
    if not form or (len(parts) > 2 and not is_file):
        raise ValueError(
            "A dataset of the hub must be named by owner, name and split. "
            f"Received: corpus={echoed(path)}. Write "
            f"{_HUB}OWNER/NAME[@REVISION]/[CONFIG/]SPLIT, or for SPLIT files "
            "of the repository, such as data/*.parquet."
        )
    arguments = {"path": form[1], "revision": None}
    if form[2]:
        arguments["revision"] = urllib.parse.unquote(form[2])
    if is_file:
        return arguments | {"data_files": form[3], "split": "train"}
    name = parts[0] if len(parts) == 2 else None
    return arguments | {"name": name, "split": parts[-1]}
