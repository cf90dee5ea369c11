"""The wire to the model's server: so many requests and not one more, answers of a bounded size. Imported lazily."""

from __future__ import annotations

import asyncio

import httpx2

from agent.llm_limits import GaveUp, seconds

AGAIN = frozenset({408, 409, 429, 500, 502, 503, 504, 529})
LONGEST_WAIT = 20.0  # seconds; a server that asks for more is left alone
FIRST_WAIT = 0.5  # seconds before the second request when the server names none; doubled after that
MAX_ANSWER = 1_000_000  # bytes


class Patient(httpx2.AsyncBaseTransport):
    """Asks a busy or broken server again, within a budget that all questions of one call share."""

    def __init__(self, inner: httpx2.AsyncBaseTransport, *, requests: int) -> None:
        self._inner, self._left, self._wait = inner, requests, FIRST_WAIT

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send `request`; raises GaveUp when the budget is spent or the answer is too large."""
        while True:
            if self._left <= 0:
                raise GaveUp("The model gave no usable answer, also when it was asked again.")
            self._left -= 1
            response = await self._once(request)
            wait = self._pause(response)
            if response is not None and wait is None:
                return response
            await asyncio.sleep(wait or 0)

    async def _once(self, request: httpx2.Request) -> httpx2.Response | None:
        """The whole answer, or None when the connection broke and may be tried again."""
        request.headers["Accept-Encoding"] = "identity"
        try:
            response = await self._inner.handle_async_request(request)
            content = await _bounded(response)
        except httpx2.TimeoutException:
            raise
        except httpx2.TransportError as error:
            if self._left <= 0:
                raise GaveUp(
                    f"The model's server cannot be reached: {error or type(error).__name__}."
                ) from error
            return None
        return httpx2.Response(response.status_code, headers=response.headers, content=content)

    def _pause(self, response: httpx2.Response | None) -> float | None:
        """Seconds until the next request, None for an answer to be handed on."""
        if response is not None and (response.status_code not in AGAIN or self._left <= 0):
            return None
        asked = seconds(response.headers) if response is not None else None
        wait, self._wait = (self._wait if asked is None else asked), self._wait * 2
        return wait if wait <= LONGEST_WAIT or response is None else None

    async def aclose(self) -> None:
        """Close the connections."""
        await self._inner.aclose()


async def _bounded(response: httpx2.Response) -> bytes:
    parts, size = [], 0
    try:
        async for part in response.aiter_raw():
            parts.append(part)
            size += len(part)
            if size > MAX_ANSWER:
                raise GaveUp("The model's answer is larger than a megabyte.")
    finally:
        await response.aclose()
    return b"".join(parts)
