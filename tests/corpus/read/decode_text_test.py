import codecs
import errno
import gzip
import io
import zlib

import numpy as np
import pytest
import zstandard

from keras_gpt3.corpus.read.decode_text import DamagedFileError
from keras_gpt3.corpus.read.decode_text import OtherRecord
from keras_gpt3.corpus.read.decode_text import decode_text
from keras_gpt3.corpus.read.decode_text import escaped_text
from keras_gpt3.corpus.read.decode_text import is_binary
from keras_gpt3.corpus.read.decode_text import open_compressed
from keras_gpt3.corpus.read.decode_text import raise_if_unreadable
from keras_gpt3.corpus.read.decode_text import record_id

# === Decode text ===


TEXT = "The café in Rome, \u201cquoted\u201d \u2013 as it was."


@pytest.mark.parametrize(
    "data",
    [
        TEXT.encode(),
        codecs.BOM_UTF8 + TEXT.encode(),
        TEXT.encode("windows-1252"),
        TEXT[:20].encode() + TEXT[20:].encode("windows-1252"),
        TEXT.encode("utf-16"),
        codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"),
        TEXT.encode("utf-32"),
    ],
)
def test_text_is_read_in_these_encodings_and_their_mixtures(data):
    assert decode_text(data) == (TEXT, None)


def test_a_byte_that_is_no_character_is_marked():
    assert decode_text(b"x" * 50 + b"\x81") == ("x" * 50 + "\ufffd", None)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x7fELF\x00\x01\x02", "binary"),
        (b"Once\x00", "binary"),
        (bytes(range(1, 256)), "binary"),
        (
            "\u041e\u0434\u043d\u0430\u0436\u0434\u044b".encode("koi8-r"),
            "not UTF-8",
        ),
        (codecs.BOM_UTF16_LE + b"a", "not UTF-16"),
    ],
)
def test_what_is_no_text_is_told_with_its_reason(data, reason):
    assert decode_text(data) == (None, reason)


@pytest.mark.parametrize("data", [b"", b"\x1b[31mred", b"a\tb\r\n\x0c" * 9])
def test_escapes_of_terminals_and_white_space_are_text(data):
    assert not is_binary(data)


# === Escaped text ===


@pytest.mark.parametrize(
    ("text", "escaped"),
    [("café", "café"), ("\U0001f600", "\U0001f600"), ("a\udce9", "a\\udce9")],
)
def test_only_what_no_file_can_hold_is_spelled_out(text, escaped):
    assert escaped_text(text) == escaped
    assert escaped_text(escaped) == escaped


# === Open compressed ===


LINES = b"".join(b"%d upon a time\n" % number for number in range(9999))
COMPRESS = {
    ".gz": gzip.compress,
    ".zst": zstandard.ZstdCompressor(write_checksum=True).compress,
}


def read_until_damage(path):
    read = []
    with open_compressed(path) as stream:
        try:
            read.extend(stream)
        except DamagedFileError as error:
            return b"".join(read), error.reason
    return b"".join(read), None


@pytest.mark.parametrize("suffix", [".gz", ".zst", ".GZ", ""])
@pytest.mark.parametrize("frames", [1, 3])
def test_all_frames_are_read(tmp_path, suffix, frames):
    path = tmp_path / f"a.txt{suffix}"
    compress = COMPRESS.get(suffix.lower(), bytes)
    path.write_bytes(compress(LINES) * frames)
    assert read_until_damage(path) == (LINES * frames, None)


@pytest.mark.parametrize("suffix", [".gz", ".zst", ""])
def test_an_empty_file_is_empty(tmp_path, suffix):
    path = tmp_path / f"a.txt{suffix}"
    path.touch()
    assert read_until_damage(path) == (b"", None)


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_what_stands_before_a_cut_is_read(tmp_path, suffix):
    path = tmp_path / f"a.txt{suffix}"
    frame = COMPRESS[suffix](LINES)
    path.write_bytes(frame + frame[:-5])
    read, reason = read_until_damage(path)
    assert reason == f"broken {'gzip' if suffix == '.gz' else 'zstd'}"
    # Of zstd, up to 512 bytes before the damage may be lost.
    assert len(read) > len(LINES) - 600
    assert (LINES * 2).startswith(read)


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
@pytest.mark.parametrize("where", [0, 0.5])
def test_garbage_is_damage(tmp_path, suffix, where):
    path = tmp_path / f"a.txt{suffix}"
    data = bytearray(COMPRESS[suffix](LINES))
    where = int(where * len(data))
    data[where : where + 200] = b"\xff" * 200
    path.write_bytes(data)
    read, reason = read_until_damage(path)
    assert reason.startswith("broken ")
    assert len(read) <= len(LINES)


@pytest.mark.parametrize("where", [0.3, 0.7, 1.0])
def test_of_zstd_all_but_512_bytes_before_damage_is_read(tmp_path, where):
    path = tmp_path / "a.zst"
    # Bytes that do not compress stand in the file as they are.
    data = np.random.default_rng(0).bytes(2**20)
    packed = COMPRESS[".zst"](data)
    packed = packed[: int(len(packed) * where) - 3]
    path.write_bytes(packed)
    read = b""
    with open_compressed(path) as stream:
        with pytest.raises(DamagedFileError, match="broken zstd"):
            while piece := stream.read1():
                read += piece
    assert data.startswith(read)
    assert len(read) > len(packed) - 600


@pytest.mark.parametrize("suffix", [".gz", ".zst", ""])
def test_a_disk_that_fails_is_no_damage(tmp_path, suffix, monkeypatch):
    path = tmp_path / f"a.txt{suffix}"
    path.write_bytes(COMPRESS.get(suffix, bytes)(LINES * 99))
    opened = open

    class Failing(io.FileIO):
        def readinto(self, buffer):
            if self.tell() >= 2**12:
                raise OSError(errno.EIO, "Input/output error")
            return super().readinto(memoryview(buffer)[: 2**11])

        def read(self, size=-1):
            data = bytearray(size)
            return bytes(data[: self.readinto(data)])

        read1 = read

    def failing(name, *mode, **options):
        is_it = str(name) == str(path)
        return Failing(name) if is_it else opened(name, *mode, **options)

    monkeypatch.setattr("builtins.open", failing)
    with open_compressed(path) as stream:
        with pytest.raises(OSError, match="must be readable. Received: file="):
            while stream.read1():
                pass


@pytest.mark.parametrize("suffix", [".gz", ".zst", ""])
def test_a_file_that_cannot_be_opened_is_one_sentence(tmp_path, suffix):
    path = tmp_path / f"a.txt{suffix}"
    path.mkdir()
    with (
        pytest.raises(IsADirectoryError, match="must be readable. Received: f"),
        open_compressed(path),
    ):
        pass


def test_a_bomb_is_read_in_pieces(tmp_path):
    path = tmp_path / "a.txt.zst"
    path.write_bytes(zstandard.compress(bytes(2**26)))
    with open_compressed(path) as stream:
        assert len(stream.readline(1000)) == 1000
        assert len(stream.peek()) <= 2**18


# === Other record ===


def test_records_of_a_kind_are_equal():
    assert OtherRecord("request") == OtherRecord("request")
    assert OtherRecord("request") != OtherRecord("metadata")


# === Record id ===


@pytest.mark.parametrize(
    ("own", "name"),
    [
        ("abc", "abc"),
        (7, "7"),
        (0, "0"),
        ("x\ud800", "x\\ud800"),
        ("", "novels/a.jsonl:3"),
        (None, "novels/a.jsonl:3"),
        (True, "novels/a.jsonl:3"),
        (["abc"], "novels/a.jsonl:3"),
        (1.5, "novels/a.jsonl:3"),
    ],
)
def test_an_id_is_the_record_s_own_or_its_place(own, name):
    assert record_id(own, "novels", "a.jsonl:3") == name


# === Unreadable file ===


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (errno.EIO, OSError),
        (errno.ESTALE, OSError),
        (errno.ETIMEDOUT, TimeoutError),
        (errno.EACCES, PermissionError),
        (errno.ENOENT, FileNotFoundError),
    ],
)
def test_an_error_of_the_system_names_the_file(code, kind):
    error = OSError(code, "what happened")
    with pytest.raises(
        kind,
        match=r"must be readable. Received: file='a.gz' .what happened.. Make",
    ) as raised:
        raise_if_unreadable(error, "a.gz")
    assert type(raised.value) is kind
    assert raised.value.__cause__ is error


@pytest.mark.parametrize(
    "error",
    [
        gzip.BadGzipFile("CRC check failed"),
        EOFError("cut"),
        zlib.error("invalid"),
        OSError("ZSTD decompress failed"),
        OSError(errno.EINVAL, "a place that is not in the file"),
    ],
)
def test_an_error_of_the_content_passes(error):
    raise_if_unreadable(error, "a.gz")
