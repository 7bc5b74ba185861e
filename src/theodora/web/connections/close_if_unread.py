"""The header by which a connection closes after an answer given before the end of a body."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_CLOSE = (b"connection", b"close")


class CloseIfUnread:
    """ASGI middleware for requests with a body of unknown length: `Connection: close` if unread.

    The rest of the body may be long. A client that knows does not send its next request on a
    connection that is closed at that moment.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_read = False

        async def receive_and_see() -> Message:
            nonlocal is_read
            message = await receive()
            is_read = not message.get("more_body", False)
            return message

        async def send_and_tell(message: Message) -> None:
            if message["type"] == "http.response.start" and not is_read:
                message["headers"] = [*message["headers"], _CLOSE]
            await send(message)

        await self._app(scope, receive_and_see, send_and_tell)
