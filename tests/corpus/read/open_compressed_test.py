import errno
import gzip
import io

import numpy as np
import pytest
import zstandard

from keras_gpt3.corpus.read.decode_text import DamagedFileError
from keras_gpt3.corpus.read.decode_text import open_compressed

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
