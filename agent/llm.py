"""The one module that talks to a model. It reads values and returns values of a fixed schema; it has no tools.

The address of the model comes from the operator's own settings (it may be a server on this machine), so these calls
do not pass the outbound door that guards addresses from outside.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from typing import Any, Generic, TypeVar

from asgiref.sync import async_to_sync
from django.conf import settings
from pydantic import BaseModel

from agent.llm_limits import GaveUp, seconds

Output = TypeVar("Output", bound=BaseModel)
TIMEOUT = 60.0  # seconds for one call with all its repetitions
REPEATS = 2  # how often a wrong answer is asked again, with the error


class ModelUnavailable(Exception):
    """No usable answer. `permanent` means that trying again soon is pointless (wrong key, unknown model)."""

    def __init__(self, message: str, *, permanent: bool = False, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.permanent, self.retry_after = permanent, retry_after


class Unfit(Exception):
    """Raised by a check on the answer; its message is what the model is told when asked again."""


@dataclass(frozen=True)
class Answer(Generic[Output]):
    """A checked answer with what it took."""

    output: Output
    model: str
    tokens_used: int
    cost_cents: float
    elapsed_ms: int


@dataclass(frozen=True)
class Spent:
    """What one call took, also one that came to nothing: `error` says why. Money in cents, time in milliseconds."""

    model: str
    purpose: str
    tokens_used: int
    cost_cents: float
    elapsed_ms: int
    error: str = ""


_meter: ContextVar[list[Spent] | None] = ContextVar("leadpilot_model_meter", default=None)


@contextmanager
def metered() -> Iterator[list[Spent]]:
    """Collect what the calls inside take, for whoever keeps the books."""
    spent: list[Spent] = []
    token = _meter.set(spent)
    try:
        yield spent
    finally:
        _meter.reset(token)


def model_name() -> str:
    """The configured model, as shown to people."""
    return str(settings.LEADPILOT_MODEL)


def is_configured() -> bool:
    """True when there is a key, or an own server that needs none."""
    return bool(settings.OPENAI_API_KEY or settings.OPENAI_BASE_URL)


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()


def ask(
    *,
    instructions: str,
    prompt: str,
    output_type: type[Output],
    check: Callable[[Output], None] | None = None,
    temperature: float = 0.7,
    timeout: float = TIMEOUT,
    purpose: str = "",
    model: str = "",
) -> Answer[Output]:
    """Ask a model (the configured one unless named) for one value of `output_type`.

    `check` may raise Unfit; a wrong answer is asked again at most twice with the error, and a busy or broken server as
    well: three requests at most. Raises ModelUnavailable. Touches no database.
    """
    if not is_configured():
        raise ModelUnavailable("No model is configured: set OPENAI_API_KEY.", permanent=True)
    messages: list[Any] = []
    model = model or settings.LEADPILOT_MODEL
    started, error = time.monotonic(), ""
    try:
        output = async_to_sync(_ask)(
            model, instructions, prompt, output_type, check, temperature, timeout, messages
        )
    except ModelUnavailable as failure:
        error = str(failure)
        raise
    finally:
        tokens, cents = _took(messages)
        spent = Spent(
            model,
            purpose,
            tokens,
            cents,
            round((time.monotonic() - started) * 1000),
            error,
        )
        if (meter := _meter.get()) is not None:
            meter.append(spent)
    return Answer(output, spent.model, spent.tokens_used, spent.cost_cents, spent.elapsed_ms)


async def _ask(
    model_name: str,
    instructions: str,
    prompt: str,
    output_type: type[Output],
    check: Callable[[Output], None] | None,
    temperature: float,
    timeout: float,
    messages: list[Any],
) -> Output:
    # Two to six seconds of imports, wanted only where a model is configured.
    import asyncio

    import httpx2
    from openai import AsyncOpenAI
    from pydantic_ai import Agent, ModelRetry, capture_run_messages
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    from agent.llm_transport import Patient

    transport = Patient(httpx2.AsyncHTTPTransport(verify=_tls()), requests=REPEATS + 1)
    async with httpx2.AsyncClient(transport=transport, timeout=timeout) as client:
        service = AsyncOpenAI(
            base_url=settings.OPENAI_BASE_URL or None,
            api_key=settings.OPENAI_API_KEY or "none",
            http_client=client,
            max_retries=0,  # the transport counts every request; the library would ask again on its own account
        )
        agent = Agent(
            OpenAIChatModel(model_name, provider=OpenAIProvider(openai_client=service)),
            output_type=output_type,
            instructions=instructions,
            retries=REPEATS,
            model_settings={"temperature": temperature},
        )
        if check is not None:

            @agent.output_validator
            async def fit(output: Output) -> Output:  # async, so that it runs here and not in another thread
                try:
                    check(output)
                except Unfit as error:
                    raise ModelRetry(str(error)) from error
                return output

        try:
            async with asyncio.timeout(timeout):
                with capture_run_messages() as said:
                    try:
                        return (await agent.run(prompt)).output
                    finally:
                        messages.extend(said)
        except TimeoutError as error:
            raise ModelUnavailable(f"The model did not answer within {timeout:g} seconds.") from error
        except Exception as error:
            raise _unavailable(error) from error


def _unavailable(error: Exception) -> ModelUnavailable:
    """What a failure of the library means for us; what is not the model's failure is raised as it is."""
    from openai import OpenAIError  # imported already by whoever gets here
    from pydantic_ai.exceptions import AgentRunError, ModelHTTPError, UserError

    if cause := _own(error):
        return ModelUnavailable(str(cause))
    if isinstance(error, ModelHTTPError):
        permanent = error.status_code in (400, 401, 403, 404)
        return ModelUnavailable(
            f"The model's server answered {error.status_code}.",
            permanent=permanent,
            retry_after=seconds(error.headers or {}),
        )
    if isinstance(error, AgentRunError | UserError | OpenAIError):
        return ModelUnavailable(f"The model gave no usable answer: {str(error)[:300]}")
    raise error


def _own(error: BaseException | None) -> GaveUp | None:
    """The transport's own word, which libraries wrap in theirs."""
    while error is not None and not isinstance(error, GaveUp):
        error = error.__cause__ or error.__context__
    return error


def _took(messages: list[Any]) -> tuple[int, float]:
    """Tokens and cents of all the answers; 0 cents for a model whose price is not known."""
    answers = [message for message in messages if message.kind == "response"]
    tokens = sum(answer.usage.total_tokens for answer in answers)
    try:
        return tokens, 100 * sum(float(answer.cost().total_price) for answer in answers)
    except (LookupError, AssertionError, ValueError):
        return tokens, 0.0
