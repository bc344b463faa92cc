import asyncio

import pytest
from starlette.requests import Request

from keras_gpt3.serving.app import read_body
from keras_gpt3.serving.app import unless_gone
from keras_gpt3.serving.json_body import CLIENT_GONE
from keras_gpt3.serving.json_body import RequestError


def make_request(*chunks, headers=(), gone=False, is_whole=True):
    """A request whose client then waits, or goes away."""
    messages = [
        {"type": "http.request", "body": chunk, "more_body": True}
        for chunk in chunks
    ]
    messages[-1]["more_body"] = not is_whole

    async def receive():
        if messages:
            return messages.pop(0)
        if not gone:
            await asyncio.Event().wait()
        return {"type": "http.disconnect"}

    scope = {"type": "http", "method": "POST", "headers": list(headers)}
    return Request(scope, receive)


def read(request, seconds=60.0):
    return read_body(request, limit=3, seconds=seconds)


def test_a_body_in_chunks_is_read_up_to_the_limit():
    request = make_request(b"ab", b"c", b"")
    assert asyncio.run(read(request)) == b"abc"


@pytest.mark.parametrize(
    "chunks, headers, received",
    [
        ([b"ab", b"cd", b"more"], [], "4 or more"),
        ([b"abcd"], [(b"content-length", b"4")], "4"),
    ],
)
def test_more_is_refused_as_soon_as_it_is_known(chunks, headers, received):
    request = make_request(*chunks, headers=headers)
    message = (
        "^The body must be at most 3 bytes. Received: "
        f"bytes={received}. Split it, or start the server with a higher "
        "--max-body-bytes.$"
    )
    with pytest.raises(RequestError, match=message) as error:
        asyncio.run(read(request))
    assert error.value.status == 413


def test_a_body_that_does_not_end_is_given_up():
    request = make_request(b"ab", is_whole=False)
    message = (
        "^The body must come within 0.01 seconds. Received: bytes=2, and no "
        "end. Send it faster, or start the server with a longer "
        "--receive-timeout.$"
    )
    with pytest.raises(RequestError, match=message) as error:
        asyncio.run(asyncio.wait_for(read(request, seconds=0.01), 30))
    assert error.value.status == 408
    assert error.value.headers == {"Connection": "close"}


def test_a_client_that_breaks_off_has_gone():
    request = make_request(b"ab", is_whole=False, gone=True)
    message = (
        "^The body must come whole. Received: bytes=2, then the end of the "
        "connection. Send it again.$"
    )
    with pytest.raises(RequestError, match=message) as error:
        asyncio.run(read(request))
    assert error.value.status == CLIENT_GONE == 499


def test_the_answer_is_waited_for_while_the_client_is_there():
    async def main():
        request = make_request(b"")
        await read(request)
        return await unless_gone(request, asyncio.sleep(0.01, "answer"))

    assert asyncio.run(main()) == "answer"


def test_an_error_is_the_answers_own():
    async def fail():
        raise RequestError(400, "No.")

    async def main():
        request = make_request(b"")
        await read(request)
        await unless_gone(request, fail())

    with pytest.raises(RequestError, match="^No.$"):
        asyncio.run(main())


def test_nothing_is_worked_on_for_a_client_who_has_gone():
    ended = []

    async def work():
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append(True)

    async def main():
        request = make_request(b"", gone=True)
        await read(request)
        return await unless_gone(request, work())

    assert asyncio.run(main()) is None
    assert ended == [True]
