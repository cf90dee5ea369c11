"""The rules of routes that are not ours: allauth's under /accounts/, and the admin console's."""

from __future__ import annotations

# name: kinds of rows in the path, in its order. Whoever is signed in has only an account of their own there.
ACCOUNTS: dict[str, tuple[str, ...]] = {
    "account_login": (),
    "account_logout": (),
    "account_inactive": (),
    "account_signup": (),
    "account_reauthenticate": (),
    "account_email": (),
    "account_email_verification_sent": (),
    "account_change_password": (),
    "account_set_password": (),
    "account_reset_password": (),
    "account_confirm_login_code": (),
    "account_confirm_email": ("confirmation",),
    "account_reset_password_from_key_done": (),
    "account_reset_password_from_key": ("user36", "stale_key"),
    "account_reset_password_done": (),
    "mfa_index": (),
    "mfa_authenticate": (),
    "mfa_reauthenticate": (),
    "mfa_activate_totp": (),
    "mfa_deactivate_totp": (),
    "mfa_view_recovery_codes": (),
    "mfa_generate_recovery_codes": (),
    "mfa_download_recovery_codes": (),
    "mfa_list_webauthn": (),
    "mfa_add_webauthn": (),
    "mfa_reauthenticate_webauthn": (),
    "mfa_remove_webauthn": ("authenticator",),
    "mfa_edit_webauthn": ("authenticator",),
    "mfa_login_webauthn": (),
}

# Superusers only; for everyone else each of these answers as if signed out, whatever the id.
ADMIN_PAGES = (
    *("index", "login", "logout", "password_change", "password_change_done", "autocomplete", "jsi18n"),
    *("view_on_site", "app_list", "auth_user_password_change", "admin/(?P<url>.*)$"),
)
ADMIN_MODELS: dict[str, tuple[str, ...]] = {
    "auth": ("group",),
    "orgs": (
        *("organization", "user", "membership", "auditentry", "notification"),
        *("recurringjob", "signinlink"),
    ),
    "leads": (
        *("lead", "company", "suppression", "note", "leadimport"),
        *("importproblem", "page", "leadresearch", "fact", "apiusage"),
    ),
    "campaigns": (
        *("campaign", "sequencestep", "campaignmailbox", "enrollment", "mailbox", "message"),
        *("sendattempt", "messageevent", "thread", "inboundmessage", "quota"),
    ),
    "agent": ("agentconfig", "agent", "agenttask", "draft", "agentlog", "decision"),
    "account": ("emailaddress",),
    "mfa": ("authenticator",),
    "django_q": ("schedule", "success", "failure"),
}
ADMIN_ACTIONS = ("changelist", "add", "history", "delete", "change")


def admin_names() -> set[str]:
    """Every name the admin's table stands for; the unnamed redirect behind each model's id is its route."""
    names = {page if "/" in page else f"admin:{page}" for page in ADMIN_PAGES}
    for app, models in ADMIN_MODELS.items():
        for model in models:
            names |= {f"admin:{app}_{model}_{action}" for action in ADMIN_ACTIONS}
            names.add(f"admin/{app}/{model}/<path:object_id>/")
    return names
