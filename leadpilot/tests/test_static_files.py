"""Static files as an asynchronous server hands them out."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.conf import settings
from django.test import AsyncClient
from django.utils.http import http_date

CSS = "/static/css/tokens.css"
CONTENT = (settings.BASE_DIR / "static/css/tokens.css").read_bytes()


def get(path: str = CSS, **headers: str) -> Any:
    """One file through the whole asynchronous stack; a warning fails the test."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return async_to_sync(AsyncClient().get)(path, headers=headers)


def test_a_file_comes_whole_and_without_a_warning() -> None:
    response = get()
    assert not response.streaming
    assert response.content == CONTENT
    assert response["content-type"] == 'text/css; charset="utf-8"'
    assert response["content-length"] == str(len(CONTENT))


def test_an_unchanged_file_is_not_sent_again() -> None:
    first = get()
    again = get(**{"if-none-match": first["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    later = get(**{"if-modified-since": http_date(4_000_000_000)})
    assert later.status_code == 304


def test_a_part_of_a_file_can_be_asked_for() -> None:
    part = get(range="bytes=5-14")
    assert (part.status_code, part.content) == (206, CONTENT[5:15])
    assert part["content-range"] == f"bytes 5-14/{len(CONTENT)}"


def test_head_tells_the_length_and_sends_nothing() -> None:
    response = async_to_sync(AsyncClient().head)(CSS)
    assert (response.status_code, response.content) == (200, b"")
    assert response["content-length"] == str(len(CONTENT))


def test_files_are_only_read() -> None:
    assert async_to_sync(AsyncClient().post)(CSS).status_code == 405


@pytest.mark.django_db
@pytest.mark.parametrize(
    "path", ["/static/css/missing.css", "/static/../manage.py", "/static/%2e%2e/manage.py"]
)
def test_what_is_no_static_file_is_not_found(path: str) -> None:
    assert async_to_sync(AsyncClient().get)(path).status_code == 404
