"""Reads the documents of one text or JSON-lines file, gzipped or not."""

from keras_gpt3.data.gzip_stream import decompressed
from keras_gpt3.data.json_line import parse_json_line

TEXT_SUFFIXES = (".txt", ".txt.gz")
JSON_SUFFIXES = (".jsonl", ".jsonl.gz")
SUFFIXES = JSON_SUFFIXES + TEXT_SUFFIXES


def read_documents(file, path):
    """Yield the documents of a file.

    Args:
        file: binary file. The open file.
        path: string. Its path: the suffix tells the format, messages name it. A
            `.txt` is one document; each line of a `.jsonl` is one, under the
            key `"text"`.

    Yields:
        str. The documents in order.

    Raises:
        ValueError: If the contents are not what the suffix promises.

    Example:

    ```python
    import io

    from keras_gpt3.data.document_files import read_documents

    file = io.BytesIO(b'{"text": "Once"}')
    print(list(read_documents(file, "corpus.jsonl")))
    ```
    """
    with decompressed(file, path) as stream:
        if str(path).lower().endswith(TEXT_SUFFIXES):
            yield _read_text(stream, path)
        else:
            yield from _read_lines(stream, path)


def _read_text(stream, path):
    try:
        return stream.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(
            "A .txt file must be UTF-8. Received: "
            f"file='{path}' ({error}). Convert it to UTF-8."
        ) from error


def _read_lines(stream, path):
    for number, line in enumerate(stream, start=1):
        if not line.strip():
            continue
        try:
            text = parse_json_line(line)["text"]
            # Escapes can spell half a character, which has no bytes.
            if b"\\u" in line and isinstance(text, str):
                text.encode()
            reason = f"its text is of type {type(text).__name__}"
        # ValueError: invalid JSON or UTF-8; TypeError: no object.
        except (ValueError, TypeError, KeyError) as error:
            text, reason = None, _reason(error)
        if not isinstance(text, str):
            raise ValueError(
                'Each line of a .jsonl file must be a JSON object with a "text"'
                f" string. Received: file='{path}', line={number} ({reason})."
                " Correct or remove the line."
            )
        yield text


def _reason(error):
    # These hold the whole line or text in their `repr`.
    if isinstance(error, UnicodeError):
        return f"{type(error).__name__}: {error}"
    return repr(error)
