"""How sign-in meets organizations."""

from allauth.account.adapter import DefaultAccountAdapter
from django.http import HttpRequest
from django.urls import reverse


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """Lands people on Today; those without an organization on the page that makes one."""

    def get_login_redirect_url(self, request: HttpRequest) -> str:
        return reverse("orgs:landing")
