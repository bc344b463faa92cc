"""Reads documents of a Parquet file."""

from keras_gpt3.corpus.pipeline.document import Document
from keras_gpt3.corpus.pipeline.document import RejectedRecord
from keras_gpt3.corpus.read.decode_text import DamagedFileError
from keras_gpt3.corpus.read.decode_text import decode_text
from keras_gpt3.corpus.read.decode_text import escaped_text
from keras_gpt3.corpus.read.decode_text import raise_if_unreadable
from keras_gpt3.corpus.read.decode_text import record_id
from keras_gpt3.needed_packages import import_extra

_BATCH_ROWS = 256
_COLUMNS = ("id", "url", "text")
# Text takes a third to a tenth of its bytes when it is compressed.
_LARGE_BYTES, _MOST_RATIO = 2**28, 200


def read_parquet_documents(path, source, name, max_bytes):
    """Yield the documents of a Parquet file, a few rows in memory."""
    pyarrow = import_extra("pyarrow")
    parquet = import_extra("pyarrow.parquet")
    try:
        # Opened here: the library takes no name that is not UTF-8.
        with open(path, "rb") as raw:
            metadata = parquet.read_metadata(raw)
            names = metadata.schema.to_arrow_schema().names
            if "text" not in names:
                yield _without_text(names, source, name)
                return
            columns = [column for column in _COLUMNS if column in names]
            _check_sizes(metadata, columns)
            for number, row in enumerate(_rows(raw, columns), start=1):
                row = dict(zip(columns, row, strict=True))
                yield _document(row, source, f"{name}:{number}", max_bytes)
    # The last is of a column's name.
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        raise_if_unreadable(error, path)
        raise DamagedFileError("broken Parquet", error) from error


def _rows(raw, columns):
    """The values of some columns, a row at a time."""
    parquet = import_extra("pyarrow.parquet")
    # A value that a file holds once, for many rows, is held once here as well.
    with parquet.ParquetFile(raw, read_dictionary=columns) as file:
        for batch in file.iter_batches(_BATCH_ROWS, columns=columns):
            yield from zip(*map(_values, batch.columns), strict=True)


def _check_sizes(metadata, columns):
    """Raise where a few bytes state so many that they are no texts."""
    for group in map(metadata.row_group, range(metadata.num_row_groups)):
        for chunk in map(group.column, range(group.num_columns)):
            if chunk.path_in_schema not in columns:
                continue
            whole, stored = (
                chunk.total_uncompressed_size,
                chunk.total_compressed_size,
            )
            if whole > _LARGE_BYTES and whole > _MOST_RATIO * stored:
                raise DamagedFileError(
                    "swollen Parquet",
                    f"{stored} bytes of {chunk.path_in_schema} state {whole}",
                )


def _without_text(names, source, name):
    return RejectedRecord(
        source,
        "no column text",
        where=name,
        detail=(
            "A Parquet file must have a column text. Received: "
            f"file='{name}' with the columns {', '.join(names) or 'none'}. "
            "Rename the one that holds the documents."
        ),
    )


def _values(column):
    """The values of a column; strings as bytes, for they may be no UTF-8."""
    types = import_extra("pyarrow.types")
    if types.is_dictionary(column.type):
        values = [*_values(column.dictionary), None]
        indices = column.indices.fill_null(len(values) - 1)
        return [values[index] for index in indices.to_pylist()]
    if types.is_string(column.type) or types.is_large_string(column.type):
        column = column.cast(import_extra("pyarrow").large_binary())
    return column.to_pylist()


def _string(value):
    return value.decode("utf-8", "replace") if type(value) is bytes else value


def _document(row, source, where, max_bytes):
    text, reason = row["text"], None
    if isinstance(text, bytes):
        text, reason = decode_text(text)
    if not reason and not isinstance(text, str):
        reason = "no text"
    if not reason and len(text) > max_bytes:
        reason = "long line"
    if reason:
        shown = text[:1000] if isinstance(text, str) else ""
        return RejectedRecord(source, reason, shown, where=where)
    url = _string(row.get("url"))
    return Document(
        id=record_id(_string(row.get("id")), source, where),
        source=source,
        text=text,
        url=escaped_text(url) if isinstance(url, str) else None,
    )
