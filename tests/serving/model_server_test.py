import asyncio
import json
import re
import shutil
import threading

import pytest

from keras_gpt3.export.version_folder import write_metadata
from keras_gpt3.serving import model_server
from keras_gpt3.serving.exported_model import ExportedModel
from keras_gpt3.serving.json_body import RequestError
from keras_gpt3.serving.model_server import Admission
from keras_gpt3.serving.model_server import ModelServer
from keras_gpt3.serving.server_settings import ServerSettings
from tests.small_gpt3 import small_model

# === Model server ===


BODY = json.dumps(
    {"instances": [{"prompts": "a", "max_new_tokens": 3, "seed": 0}]}
)
STREAM = json.dumps({"prompt": "a", "max_new_tokens": 20})


@pytest.fixture
def make_server(export_folder, model, monkeypatch):
    """Makes servers that are closed at the end."""
    servers = []

    def load(path, version):
        # Loaded once for all tests: it takes seconds.
        is_shared = path == export_folder / "1"
        return model if is_shared else ExportedModel(path, version)

    monkeypatch.setattr(model_server, "ExportedModel", load)

    def make(folder=export_folder, **settings):
        servers.append(ModelServer(folder, ServerSettings(**settings)))
        return servers[-1]

    yield make
    for server in servers:
        server.close()


def predict(server, body=BODY):
    return server.predict("gpt3", None, body.encode())


async def pieces_of(server):
    return [p async for p in server.stream("gpt3", None, STREAM.encode())]


def refused(status, message):
    """Expects a refusal, and checks its status."""
    return _Refused(status, message)


class _Refused:
    def __init__(self, status, message):
        self.status = status
        self.context = pytest.raises(RequestError, match=f"^{message}")

    def __enter__(self):
        self.error = self.context.__enter__()

    def __exit__(self, *details):
        result = self.context.__exit__(*details)
        assert self.error.value.status == self.status
        return result


@pytest.mark.parametrize("kind", ["predict", "stream"])
def test_time_that_runs_out_is_said(make_server, kind):
    server, go_on = make_server(request_timeout=0.05), threading.Event()
    server._threads.running.submit(go_on.wait)
    try:
        work = predict(server) if kind == "predict" else pieces_of(server)
        with refused(
            504,
            "A request must be answered within 0.05 seconds. Received: no "
            "answer yet. Request fewer tokens, or start the server with a "
            "longer --request-timeout.$",
        ):
            asyncio.run(work)
    finally:
        go_on.set()
    assert server._queue.inside == 0


@pytest.fixture(scope="module")
def folder_for_ids(tmp_path_factory):
    """An export for token ids in bfloat16, two of its three layers dense."""
    folder = tmp_path_factory.mktemp("ids")
    small_model(num_layers=3, dtype="bfloat16").export(folder, verbose=False)
    return folder


@pytest.mark.slow
def test_a_cache_goes_over_json_with_more_layers_than_rows(
    make_server, folder_for_ids
):
    server = make_server(folder_for_ids, max_batch_size=1)

    def ask(name, inputs):
        body = json.dumps({"signature_name": name, "inputs": inputs})
        return json.loads(asyncio.run(predict(server, body)))["outputs"]

    prompt, padding = [5, 6, 7], [0] * 6
    cache = ask("prefill", {"token_ids": [prompt], "cache_length": 9})
    assert len(cache["dense_keys"]) == 2
    padded = {"token_ids": [prompt + padding]}
    state = padded | {"index": 3} | cache
    options = {"temperature": 0.7, "seed": 4}
    for end in (5, 9):
        answer = ask("extend", state | options | {"end": end})
        state = {name: answer[name] for name in state}
    rest = {
        "padding_mask": [[True] * 3 + [False] * 6],
        "end_token_id": -1,
        "top_k": 0,
    }
    whole = ask("generate_tokens", padded | options | rest)
    assert answer["index"] == 9
    assert answer["token_ids"] == whole["token_ids"]


def test_an_answer_of_too_many_values_is_refused(make_server, folder_for_ids):
    server = make_server(folder_for_ids, max_answer_values=2 * 61)
    body = '{"signature_name": "logits", "inputs": [[1, 2%s]]}'
    assert asyncio.run(predict(server, body % ""))
    with refused(400, "An answer must have at most 122 values."):
        asyncio.run(predict(server, body % ", 3"))


def test_more_than_the_queue_holds_is_sent_away(make_server):
    server, go_on = make_server(max_queue=2), threading.Event()

    async def main():
        server._threads.running.submit(go_on.wait)
        first = [asyncio.create_task(predict(server)) for _ in range(2)]
        await asyncio.sleep(0)
        with refused(429, "The server takes at most 2 prompts at a time."):
            await predict(server)
        go_on.set()
        return await asyncio.gather(*first)

    one, other = asyncio.run(main())
    assert one == other


def test_a_stream_is_a_prompt_of_the_queue(make_server):
    server, go_on = make_server(max_queue=1), threading.Event()

    async def main():
        server._threads.running.submit(go_on.wait)
        first = asyncio.create_task(pieces_of(server))
        await asyncio.sleep(0)
        with refused(429, "The server takes at most 1 prompts at a time."):
            await pieces_of(server)
        go_on.set()
        return await first

    assert asyncio.run(main())[-1]["num_tokens"] == 20


def test_a_stream_that_nobody_reads_stops(make_server):
    server = make_server()

    async def main():
        stream = server.stream("gpt3", None, STREAM.encode())
        await anext(stream)
        await stream.aclose()

    asyncio.run(main())
    text = server.metrics.text()[0].decode()
    tokens = re.search(r"(?m)^keras_gpt3_generated_tokens_total (.*)$", text)
    # A first piece may need more than a token, but not all of them.
    assert 1 <= float(tokens[1]) < 20
    assert "keras_gpt3_disconnected_total 1.0" in text
    assert server._queue.inside == 0


@pytest.mark.parametrize(
    "error, status, message",
    [
        (
            MemoryError(),
            503,
            "An answer must fit the memory. Received: out of memory. Send "
            "fewer or shorter prompts.$",
        ),
        (
            KeyError("secret"),
            500,
            "A request must not fail. Received: KeyError. See the server's "
            "log.$",
        ),
    ],
)
def test_what_goes_wrong_inside_is_one_sentence(
    make_server, monkeypatch, error, status, message
):
    server = make_server()

    def fail(name, inputs):
        raise error

    monkeypatch.setattr(server._served.model, "call", fail)
    with refused(status, message):
        asyncio.run(predict(server))


@pytest.mark.parametrize(
    "error, status", [(MemoryError(), 503), (ValueError("An index."), 500)]
)
def test_a_step_that_fails_is_not_the_clients_fault(
    make_server, monkeypatch, error, status
):
    server = make_server()
    call = server._served.model.call_on_tensors

    def fail(name, inputs):
        if name == "step_slots":
            raise error
        return call(name, inputs)

    monkeypatch.setattr(server._served.model, "call_on_tensors", fail)
    with refused(status, "A"):
        asyncio.run(predict(server))
    with refused(status, "A"):
        asyncio.run(pieces_of(server))


@pytest.mark.parametrize(
    "name",
    [
        "resize_slots",
        "fill_slot",
        "read_into_slot",
        "step_slots",
        "verify_slots",
    ],
)
def test_a_client_cannot_reach_the_slots(make_server, name):
    server = make_server()
    assert name in server._served.model.signatures
    body = json.dumps({"signature_name": name, "inputs": {"num_slots": 9}})
    with refused(400, "signature_name must be among (?!.*slot.*Received)"):
        asyncio.run(predict(server, body))


@pytest.mark.parametrize("name", ["speculative", "draft"])
def test_drafts_are_checked_and_change_no_answer(
    make_server, export_folder, tmp_path, name
):
    body = {"prompts": ["abcabcabcabc"], "max_new_tokens": 12}
    body = json.dumps({"inputs": body | {"temperature": 0.0}})
    expected = asyncio.run(predict(make_server(), body))
    value = "prompt"
    if name == "draft":
        # Not the model that is shared: it has slots of its own.
        value = str(shutil.copytree(export_folder, tmp_path / "draft"))
    server = make_server(**{name: value})
    assert asyncio.run(predict(server, body)) == expected
    text = server.metrics.text()[0].decode()
    drafted = re.search(r"(?m)^keras_gpt3_drafted_tokens_total (.*)$", text)
    assert float(drafted[1]) > 0


def test_a_draft_that_is_not_there_is_named(make_server, tmp_path):
    with pytest.raises(ValueError, match=r"^draft must be a SavedModel"):
        make_server(draft=str(tmp_path / "typo"))


@pytest.mark.slow
def test_a_newer_version_takes_over_and_a_broken_one_does_not(
    make_server, export_folder, tmp_path
):
    folder = tmp_path / "versions"
    shutil.copytree(export_folder / "1", folder / "3")
    server = make_server(folder)

    async def main():
        before = await predict(server)
        assert server.version == 3
        shutil.copytree(export_folder / "1", folder / "12")
        await server.look_for_newer()
        assert server.version == 12
        assert await predict(server) == before
        with refused(404, "The version must be 12, the one served."):
            server.status("gpt3", "3")
        (folder / "20").mkdir()
        (folder / "20" / "saved_model.pb").write_bytes(b"broken")
        write_metadata(folder / "20", {})
        await server.look_for_newer()
        await server.look_for_newer()
        assert server.version == 12
        shutil.rmtree(folder)
        await server.look_for_newer()
        return await predict(server) == before

    assert asyncio.run(main())


def test_the_watch_looks_again_and_again(make_server, monkeypatch):
    server, seen = make_server(watch_seconds=0.001), []

    async def look():
        seen.append(True)
        if len(seen) == 3:
            raise asyncio.CancelledError

    monkeypatch.setattr(server, "look_for_newer", look)
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(server.watch())
    assert len(seen) == 3


# === Admission ===


MESSAGE = (
    "The server takes at most 3 prompts at a time. Received: prompts=4. Try "
    "again later, or start it with a higher --max-queue."
)


def test_what_is_too_much_is_refused_and_told_to_come_back():
    queue = Admission(3, "prompts", "--max-queue")
    with queue.admit(3):
        with pytest.raises(RequestError, match=f"^{re.escape(MESSAGE)}$") as e:
            with queue.admit():
                pass
        assert e.value.status == 429
        assert e.value.headers == {"Retry-After": "1"}
        assert queue.inside == 3
    assert queue.inside == 0


def test_room_is_given_back_after_an_error():
    queue = Admission(1, "prompts", "--max-queue")
    for _ in range(3):
        with pytest.raises(KeyError):
            with queue.admit():
                raise KeyError
    assert queue.inside == 0
