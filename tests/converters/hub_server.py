"""A small stand-in for the Hugging Face hub, on this machine."""

import contextlib
import functools
import hashlib
import http.server
import re
import threading

import huggingface_hub
from huggingface_hub import constants

_PATH = re.compile(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)")


class Hub:
    """Repositories: name -> revision -> commit, and commit -> files.

    Attributes:
        requests: list of pairs of method and path, as they came.
        ranges: list of pairs of a file's name and the byte from which it was
            asked for.
        cut: dict from a file's name to the bytes after which the connection
            breaks, once.
        gated: set of names of repositories.
        busy: int. How many requests are yet to be turned away.
    """

    def __init__(self):
        self.revisions = {}
        self.files = {}
        self.requests = []
        self.ranges = []
        self.cut = {}
        self.gated = set()
        self.busy = 0

    def publish(self, repository, files, revision="main"):
        """Puts files at a revision; returns the commit."""
        text = repr(sorted(files.items())).encode()
        commit = hashlib.sha1(text).hexdigest()
        self.files[commit] = files
        named = self.revisions.setdefault(repository, {})
        named[revision] = named[commit] = commit
        return commit

    def downloads(self):
        """The paths of files that were asked for, each time."""
        return [
            path
            for method, path in self.requests
            if method == "GET" and _PATH.fullmatch(path)
        ]


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, hub, *args):
        self.hub = hub
        super().__init__(*args)

    def do_HEAD(self):
        self._answer(with_body=False)

    def do_GET(self):
        self._answer(with_body=True)

    def log_message(self, *args):
        pass

    def _answer(self, with_body):
        self.hub.requests.append((self.command, self.path))
        if self.hub.busy:
            self.hub.busy -= 1
            return self._refuse(503, "Busy")
        match = _PATH.fullmatch(self.path)
        repository, revision, name = match.groups() if match else ("", "", "")
        if repository in self.hub.gated:
            return self._refuse(403, "GatedRepo")
        if repository not in self.hub.revisions:
            return self._refuse(404, "RepoNotFound")
        commit = self.hub.revisions[repository].get(revision)
        if commit is None:
            return self._refuse(404, "RevisionNotFound")
        files = self.hub.files[commit]
        if name not in files:
            return self._refuse(404, "EntryNotFound", commit)
        self._send(name, files[name], commit, with_body)

    def _refuse(self, status, code, commit=None):
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        if commit:
            self.send_header("X-Repo-Commit", commit)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _send(self, name, content, commit, with_body):
        start = 0
        asked = self.headers.get("Range")
        if asked:
            start = int(re.match(r"bytes=(\d+)-", asked).group(1))
            self.hub.ranges.append((name, start))
        self.send_response(206 if asked else 200)
        self.send_header("X-Repo-Commit", commit)
        self.send_header("ETag", f'"{hashlib.sha1(content).hexdigest()}"')
        self.send_header("Content-Length", str(len(content) - start))
        if asked:
            whole = f"bytes {start}-{len(content) - 1}/{len(content)}"
            self.send_header("Content-Range", whole)
        self.end_headers()
        if not with_body:
            return
        if name in self.hub.cut:
            self.wfile.write(content[start : self.hub.cut.pop(name)])
            self.close_connection = True
            return
        self.wfile.write(content[start:])


@contextlib.contextmanager
def running_hub(cache, monkeypatch):
    """A `Hub` that huggingface-hub asks, with a cache of its own."""
    hub = Hub()
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(_Handler, hub)
    )
    address = f"http://127.0.0.1:{server.server_port}"
    ask(address, cache, monkeypatch)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def ask(address, cache, monkeypatch):
    """Lets huggingface-hub ask an address, with a cache of its own."""
    template = address + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "ENDPOINT", address)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_PROGRESS_BARS", True)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HF_TOKEN", "")


def fill_cache(names):
    """Downloads files of org/name as other programs do: just these."""
    for name in names:
        huggingface_hub.hf_hub_download("org/name", name)
