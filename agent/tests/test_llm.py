"""The one module that talks to a model, against a server that answers in every way."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import Any

import pytest
from pydantic import BaseModel

from agent import llm
from agent.tests import model_server as says
from agent.tests.model_server import ModelServer

pytestmark = pytest.mark.usefixtures("configured")


class City(BaseModel):
    name: str
    people: int


GOOD = {"name": "Malmö", "people": 350_000}


@pytest.fixture
def server_says(server: ModelServer) -> Any:
    def script(*replies: Any) -> ModelServer:
        server.script(*replies)
        return server

    return script


def ask(**changes: Any) -> llm.Answer[City]:
    values: dict[str, Any] = {
        "instructions": "Name a city.",
        "prompt": '{"country": "Sweden"}',
        "timeout": 10,
    }
    return llm.ask(output_type=City, **{**values, **changes})


def test_a_good_answer_comes_back_as_a_value_with_what_it_took(server_says: Any) -> None:
    server = server_says(says.value(GOOD))
    answer = ask()
    assert answer.output == City(**GOOD)
    assert answer.model == "gpt-4o-mini"
    assert answer.tokens_used == 150
    assert answer.cost_cents == pytest.approx(
        120 * 15e-6 + 30 * 60e-6
    )  # dollars a million: 0.15 in, 0.60 out
    assert answer.elapsed_ms > 0
    assert len(server.log) == 1


def test_the_instructions_and_the_material_do_not_mix(server_says: Any) -> None:
    server = server_says(says.value(GOOD))
    ask()
    asked = server.log[0]
    assert asked.system == "Name a city."
    assert asked.material == {"country": "Sweden"}
    assert asked.headers["authorization"] == "Bearer a key"


def test_the_model_is_offered_no_tool_but_the_answer_itself(server_says: Any) -> None:
    server = server_says(says.value(GOOD))
    ask()
    assert server.log[0].tools in ([], ["final_result"])


def test_a_model_without_a_known_price_costs_nothing(server_says: Any, settings: Any) -> None:
    settings.LEADPILOT_MODEL = "our-own-model-on-this-machine"
    server_says(says.value(GOOD))
    assert ask().cost_cents == 0


def test_a_server_of_ones_own_needs_no_key(server_says: Any, settings: Any) -> None:
    settings.OPENAI_API_KEY = ""
    server_says(says.value(GOOD))
    assert llm.is_configured()
    assert ask().output.name == "Malmö"


def test_without_key_and_server_nothing_is_asked(server_says: Any, settings: Any) -> None:
    settings.OPENAI_API_KEY = settings.OPENAI_BASE_URL = ""
    server = server_says(says.value(GOOD))
    with pytest.raises(llm.ModelUnavailable, match="OPENAI_API_KEY") as raised:
        ask()
    assert raised.value.permanent
    assert server.log == []


class TestAskedAgain:
    def test_a_wrong_shape_is_told_and_asked_again(self, server_says: Any) -> None:
        server = server_says(says.value({"name": "Malmö", "people": "many"}), says.value(GOOD))
        assert ask().output.people == 350_000
        assert len(server.log) == 2
        assert "people" in server.log[1].complaints[-1]

    def test_an_unfit_answer_is_told_our_reason(self, server_says: Any) -> None:
        server = server_says(says.value({"name": "Oslo", "people": 1}), says.value(GOOD))

        def check(city: City) -> None:
            if city.name == "Oslo":
                raise llm.Unfit("Oslo is in Norway.")

        assert ask(check=check).output.name == "Malmö"
        assert "Oslo is in Norway." in server.log[1].complaints[-1]

    def test_both_repetitions_count_what_they_took(self, server_says: Any) -> None:
        server_says(says.raw("{"), says.value(GOOD))
        assert ask().tokens_used == 300

    def test_a_stubborn_model_is_asked_three_times_in_all(self, server_says: Any) -> None:
        server = server_says(says.value({"name": "Oslo", "people": 1}))

        def check(city: City) -> None:
            raise llm.Unfit("No.")

        with pytest.raises(llm.ModelUnavailable, match="no usable answer"):
            ask(check=check)
        assert len(server.log) == 3

    @pytest.mark.parametrize(
        "reply",
        [
            says.raw('{"name": "Mal'),
            says.prose("Malmö, I would say."),
            says.prose(""),
            says.refusal(),
            says.raw(""),
        ],
        ids=["broken JSON", "prose", "empty", "refusal", "no arguments"],
    )
    def test_what_cannot_be_read_is_asked_again_twice_at_most(self, server_says: Any, reply: Any) -> None:
        server = server_says(reply)
        with pytest.raises(llm.ModelUnavailable, match="no usable answer"):
            ask()
        assert 1 <= len(server.log) <= 3

    def test_an_error_after_a_wrong_answer_shares_the_three_requests(self, server_says: Any) -> None:
        server = server_says(says.raw("{"), says.status(500), says.status(500), says.value(GOOD))
        with pytest.raises(llm.ModelUnavailable, match="500"):
            ask()
        assert len(server.log) == 3

    def test_a_fault_of_our_own_check_is_not_hidden_as_the_model_s(self, server_says: Any) -> None:
        server_says(says.value(GOOD))

        def check(city: City) -> None:
            raise KeyError("ours")

        with pytest.raises(KeyError):
            ask(check=check)


class TestServersInTrouble:
    @pytest.mark.parametrize("code", [429, 500, 503])
    def test_a_short_trouble_is_waited_out(self, server_says: Any, code: int) -> None:
        server = server_says(says.status(code, retry_after="0"), says.value(GOOD))
        assert ask().output.name == "Malmö"
        assert len(server.log) == 2

    def test_it_waits_as_long_as_the_server_asks(self, server_says: Any) -> None:
        server_says(says.status(429, retry_after="1"), says.value(GOOD))
        started = time.monotonic()
        ask()
        assert time.monotonic() - started >= 1

    def test_a_long_wait_is_not_waited_but_told(self, server_says: Any) -> None:
        server = server_says(says.status(429, retry_after="3600"))
        with pytest.raises(llm.ModelUnavailable, match="429") as raised:
            ask()
        assert raised.value.retry_after == 3600
        assert not raised.value.permanent
        assert len(server.log) == 1

    def test_a_lasting_trouble_ends_after_three_requests(self, server_says: Any) -> None:
        server = server_says(says.status(500, retry_after="0"))
        with pytest.raises(llm.ModelUnavailable, match="500") as raised:
            ask()
        assert len(server.log) == 3
        assert not raised.value.permanent

    @pytest.mark.parametrize("code", [400, 401, 403, 404])
    def test_a_wrong_key_or_model_is_not_tried_again(self, server_says: Any, code: int) -> None:
        server = server_says(says.status(code))
        with pytest.raises(llm.ModelUnavailable, match=str(code)) as raised:
            ask()
        assert raised.value.permanent
        assert len(server.log) == 1

    def test_a_late_answer_is_not_awaited_for_ever(self, server_says: Any) -> None:
        server = server_says(says.slow(20, says.value(GOOD)))
        started = time.monotonic()
        with pytest.raises(llm.ModelUnavailable, match="within 1 seconds"):
            ask(timeout=1)
        assert time.monotonic() - started < 5
        assert len(server.log) == 1

    def test_a_cut_answer_is_asked_for_again(self, server_says: Any) -> None:
        server = server_says(says.cut_off(says.value(GOOD)), says.value(GOOD))
        assert ask().output.name == "Malmö"
        assert len(server.log) == 2

    def test_an_empty_body_is_no_answer(self, server_says: Any) -> None:
        server = server_says(says.nothing())
        with pytest.raises(llm.ModelUnavailable):
            ask()
        assert len(server.log) <= 3

    def test_a_megabyte_is_not_read_to_its_end(self, server_says: Any) -> None:
        server = server_says(says.value({"name": "x" * 1_100_000, "people": 1}))
        with pytest.raises(llm.ModelUnavailable, match="larger than a megabyte"):
            ask()
        assert len(server.log) == 1

    def test_nobody_listening_is_told_plainly(self, settings: Any) -> None:
        settings.OPENAI_BASE_URL = "http://127.0.0.1:9/v1"
        with pytest.raises(llm.ModelUnavailable, match="cannot be reached"):
            ask()


def test_asking_touches_no_database(server_says: Any) -> None:
    # Not marked for the database: pytest-django raises at the first connection, in this thread and in others.
    server_says(says.raw("{"), says.value(GOOD))
    assert ask(check=lambda city: None).output.name == "Malmö"


def test_the_libraries_are_loaded_only_when_a_model_is_asked() -> None:
    program = (
        "import os, django; os.environ['DJANGO_SETTINGS_MODULE'] = 'leadpilot.settings'; django.setup()\n"
        "import sys, agent.writers, agent.reading, agent.handlers\n"
        "print([name for name in ('pydantic_ai', 'openai') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.strip() == "[]", done.stderr
