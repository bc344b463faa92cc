import asyncio

import pytest
from starlette.requests import Request

from keras_gpt3.serving.request_body import read_body
from keras_gpt3.serving.request_body import unless_gone
from keras_gpt3.serving.request_error import RequestError


def make_request(*chunks, headers=(), gone=False):
    """A request whose client then waits, or goes away."""
    messages = [
        {"type": "http.request", "body": chunk, "more_body": index > 0}
        for index, chunk in zip(
            range(len(chunks) - 1, -1, -1), chunks, strict=True
        )
    ]

    async def receive():
        if messages:
            return messages.pop(0)
        if not gone:
            await asyncio.Event().wait()
        return {"type": "http.disconnect"}

    scope = {"type": "http", "method": "POST", "headers": list(headers)}
    return Request(scope, receive)


def test_a_body_in_chunks_is_read_up_to_the_limit():
    request = make_request(b"ab", b"c", b"")
    assert asyncio.run(read_body(request, limit=3)) == b"abc"


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
        asyncio.run(read_body(request, limit=3))
    assert error.value.status == 413


def test_the_answer_is_waited_for_while_the_client_is_there():
    async def main():
        request = make_request(b"")
        await read_body(request, limit=3)
        return await unless_gone(request, asyncio.sleep(0.01, "answer"))

    assert asyncio.run(main()) == "answer"


def test_an_error_is_the_answers_own():
    async def fail():
        raise RequestError(400, "No.")

    async def main():
        request = make_request(b"")
        await read_body(request, limit=3)
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
        await read_body(request, limit=3)
        return await unless_gone(request, work())

    assert asyncio.run(main()) is None
    assert ended == [True]
