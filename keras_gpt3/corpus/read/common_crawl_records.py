"""Reads documents of Common Crawl's files: WET (text) and WARC (HTML)."""

import contextlib
import functools
import io
import logging
import re
import types

from keras_gpt3.corpus.pipeline.document import Document
from keras_gpt3.corpus.pipeline.document import RejectedRecord
from keras_gpt3.corpus.read.decode_text import DamagedFileError
from keras_gpt3.corpus.read.decode_text import OtherRecord
from keras_gpt3.corpus.read.decode_text import decode_text
from keras_gpt3.corpus.read.decode_text import open_compressed
from keras_gpt3.corpus.read.decode_text import record_id
from keras_gpt3.needed_packages import import_extra

_WITH_DOCUMENTS = ("conversion", "resource", "response")
# These hold none, and describe those or the file.
_OTHERS = ("continuation", "metadata", "request", "revisit", "warcinfo")
# Browsers and servers take some 8 kB to 256 kB of headers.
_MOST_HEADER_BYTES = 2**20
_MOST_LENGTH = 2**62
# What the library makes of headers that are not as they should be.
_ERRORS = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
_HTML = ("text/html", "application/xhtml+xml")


def read_common_crawl_records(path, source, name, max_bytes):
    """Yield the documents of a WET or WARC file."""
    with open_compressed(path) as stream:
        for number, record in enumerate(_records(stream), start=1):
            if record.rec_type in _WITH_DOCUMENTS:
                where = f"{name}:{number}"
                yield _document(record, source, where, max_bytes)
            else:
                is_known = record.rec_type in _OTHERS
                yield OtherRecord(record.rec_type if is_known else "unknown")


def _records(stream):
    """The records of a file, those that are read to their end or not."""
    module = import_extra("warcio.archiveiterator")
    exceptions = import_extra("warcio.exceptions")
    iterator = module.WARCIterator(
        # Of a stream that gives what there is, before it meets an error.
        types.SimpleNamespace(read=stream.read1),
        # A page with bad headers would end the file.
        no_record_parse=True,
    )
    lines = _BoundedLines(iterator.reader)
    while True:
        lines.start_record()
        try:
            with _quiet():
                record = next(iterator.the_iter, None)
        except _ERRORS + (exceptions.ArchiveLoadFailed,) as error:
            raise DamagedFileError("broken WARC", error) from error
        if record is None:
            return
        if record.length is None or not 0 <= record.length < _MOST_LENGTH:
            # What follows would be taken for its content.
            raise DamagedFileError("broken WARC", "a record without a length")
        lines.start_record()
        yield record


class _HeaderError(ValueError):
    """Headers that have no end."""


class _BoundedLines:
    """Bounds the headers of a record; the library's own take any line.

    It joins a line of 16 kB at a time, in a time that is quadratic.
    """

    def __init__(self, reader):
        self._readline = reader.readline
        reader.readline = self._read
        self.start_record()

    def start_record(self):
        self._left = _MOST_HEADER_BYTES

    def _read(self, length=None):
        # Before a read: the library counts what it was given.
        if self._left <= 0:
            raise _HeaderError(f"headers of over {_MOST_HEADER_BYTES} bytes")
        most = self._left if length is None else min(length, self._left)
        line = self._readline(most)
        self._left -= len(line)
        return line


def _quiet():
    """The library writes to standard error of what is not as it should be."""
    return contextlib.redirect_stderr(io.StringIO())


def _document(record, source, where, max_bytes):
    headers = record.rec_headers
    url = headers.get_header("WARC-Target-URI")
    own = headers.get_header("WARC-Record-ID")
    own = record_id(own and own.strip("<>"), source, where)

    def rejected(reason, data=b"", detail=url):
        return RejectedRecord.of_data(
            source, reason, data, id=own, where=where, detail=detail
        )

    try:
        kind = _content_type(record)
    except _ERRORS as error:
        return rejected("broken headers", detail=str(error)[:200])
    status = record.http_headers and record.http_headers.get_statuscode()
    # What has no headers has some word in its place.
    if status and status.isdecimal() and status != "200":
        return rejected("HTTP status is not 200", detail=f"{status} {url}")
    data, is_whole = _content(record, max_bytes)
    if len(data) > max_bytes:
        return rejected("long record", data)
    if record.raw_stream.limit:
        return rejected("cut record", data)
    if not is_whole:
        return rejected("broken body", data)
    if kind in _HTML:
        text = html_text(data, url)
        reason = None if text else "no text in HTML"
    elif kind == "text/plain":
        text, reason = decode_text(data)
    else:
        return rejected("neither HTML nor text", detail=kind)
    if reason:
        return rejected(reason, data)
    return Document(own, source, text, url)


def _content(record, max_bytes):
    """What a record holds, and whether it could be decompressed to its end."""
    stream = record.content_stream()
    with _quiet():
        data = stream.read(max_bytes + 1)
    # The library ends at an error as at the end, and has no decompressor where
    # it finds nothing to decompress.
    decompressor = getattr(stream, "decompressor", None)
    return data, not data or getattr(decompressor, "eof", True)


def _content_type(record):
    """What a record holds, `""` where it does not say; read its headers."""
    if record.rec_type == "conversion":
        return "text/plain"
    if record.rec_type == "resource":
        return _kind(record.content_type)
    module = import_extra("warcio.statusandheaders")
    parser = module.StatusAndHeadersParser(["HTTP/1.0", "HTTP/1.1"], False)
    try:
        record.http_headers = parser.parse(record.raw_stream)
    except (EOFError, module.StatusAndHeadersParserException):
        return ""
    return _kind(record.http_headers.get_header("Content-Type"))


def _kind(content_type):
    kind = content_type or ""
    return kind.partition(";")[0].strip().lower()


_MOST_ATTRIBUTES = 10_000
# A tag up to its end, which is not within quotes; no byte is read twice.
_TAG = re.compile(rb"""<[a-zA-Z](?:[^>"']++|"[^"]*+"|'[^']*+')*+""")

# What a library makes of damaged input that it did not foresee: not errors of
# the system, nor of a package that is not installed.
UNFORESEEN_ERRORS = (
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)


def html_text(data, url=None):
    """Extract the main text of a page, by trafilatura."""
    if _has_swollen_tag(data):
        return None
    trafilatura = _trafilatura()
    errors = import_extra("lxml.etree").LxmlError
    try:
        return trafilatura.extract(
            data,
            url=url,
            include_comments=False,
            with_metadata=False,
        )
    # No page may end a run over millions.
    except (errors, *UNFORESEEN_ERRORS):
        return None


def _has_swollen_tag(data):
    """Whether a tag has so many attributes that parsing it would not end.

    The parser compares each with all before: 10,000 take a second, 200,000
    six minutes.
    """
    if isinstance(data, str):
        data = data.encode("utf-8", "replace")
    for match in _TAG.finditer(data):
        tag = match.group()
        if len(tag) > 2 * _MOST_ATTRIBUTES:
            if max(tag.count(b"="), len(tag.split())) > _MOST_ATTRIBUTES:
                return True
    return False


@functools.cache
def _trafilatura():
    # It logs each page without text, which is counted anyway.
    logging.getLogger("trafilatura").setLevel(logging.CRITICAL)
    return import_extra("trafilatura")
