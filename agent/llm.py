"""The one module that talks to a model. It reads values and returns values of a fixed schema; it has no tools.

The address of the model comes from the operator's own settings (it may be a server on this machine), so these calls
do not pass the outbound door that guards addresses from outside.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Generic, TypeVar

from asgiref.sync import async_to_sync
from django.conf import settings
from pydantic import BaseModel

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


def model_name() -> str:
    """The configured model, as shown to people."""
    return settings.LEADPILOT_MODEL


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
) -> Answer[Output]:
    """Ask the configured model for one value of `output_type`.

    `check` may raise Unfit; a wrong answer is asked again at most twice with the error. Raises ModelUnavailable.
    """
    if not is_configured():
        raise ModelUnavailable("No model is configured: set OPENAI_API_KEY.", permanent=True)
    started = time.monotonic()
    result = async_to_sync(_ask)(instructions, prompt, output_type, check, temperature, timeout)
    usage = result.usage if not callable(result.usage) else result.usage()
    return Answer(
        output=result.output,
        model=settings.LEADPILOT_MODEL,
        tokens_used=usage.total_tokens or 0,
        cost_cents=_cost(result),
        elapsed_ms=round((time.monotonic() - started) * 1000),
    )


async def _ask(
    instructions: str,
    prompt: str,
    output_type: type[Output],
    check: Callable[[Output], None] | None,
    temperature: float,
    timeout: float,
) -> Any:
    # Two to six seconds of imports, wanted only where a model is configured.
    import asyncio

    import httpx2
    from pydantic_ai import Agent, ModelRetry
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    async with httpx2.AsyncClient(verify=_tls(), timeout=timeout) as client:
        provider = OpenAIProvider(
            base_url=settings.OPENAI_BASE_URL or None,
            api_key=settings.OPENAI_API_KEY or "none",
            http_client=client,
        )
        agent = Agent(
            OpenAIChatModel(settings.LEADPILOT_MODEL, provider=provider),
            output_type=output_type,
            instructions=instructions,
            retries=REPEATS,
            model_settings={"temperature": temperature},
        )
        if check is not None:

            @agent.output_validator
            def fit(output: Output) -> Output:
                try:
                    check(output)
                except Unfit as error:
                    raise ModelRetry(str(error)) from error
                return output

        try:
            async with asyncio.timeout(timeout):
                return await agent.run(prompt)
        except TimeoutError as error:
            raise ModelUnavailable(f"The model did not answer within {timeout:.0f} seconds.") from error
        except Exception as error:
            raise _unavailable(error) from error


def _unavailable(error: Exception) -> ModelUnavailable:
    """What a failure of the library means for us; what is not the model's failure is raised as it is."""
    from openai import OpenAIError
    from pydantic_ai.exceptions import AgentRunError, ModelHTTPError, UserError

    if isinstance(error, ModelHTTPError):
        permanent = error.status_code in (400, 401, 403, 404)
        return ModelUnavailable(f"The model's server answered {error.status_code}.", permanent=permanent)
    if isinstance(error, AgentRunError | UserError | OpenAIError):
        return ModelUnavailable(f"The model gave no usable answer: {str(error)[:300]}")
    raise error


def _cost(result: Any) -> float:
    """Cents, or 0 for a model whose price is not known."""
    try:
        price = result.cost() if hasattr(result, "cost") else None
    except (LookupError, AttributeError, AssertionError, ValueError):
        return 0.0
    total = getattr(price, "total_price", None)
    return float(total) * 100 if total is not None else 0.0
