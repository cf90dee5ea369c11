"""Where a mail may send its reader: links, addresses and numbers the user typed, and no others.

What a model writes may come from a page it was shown. A link to elsewhere is the one harm such a page can do.
"""

from __future__ import annotations

import re

from agent.writers.types import Brief

_ENDINGS = (
    "com|org|net|io|ai|app|co|dev|info|biz|example|test|xyz|top|site|online|link|ly|me|to|"
    "de|eu|uk|fr|es|it|nl|se|no|dk|fi|pl|ch|at|ru|cn"
)
ADDRESS = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
LINK = re.compile(
    rf"(?:\b[a-z][a-z0-9+.-]{{1,15}}://\S+|\bwww\.\S+|\b(?:mailto|tel):\S+|"
    rf"(?<![@\w.-])(?:[a-z0-9-]+\.)+(?:{_ENDINGS})(?:/\S*)?(?![\w.-]*@)\b)",
    re.IGNORECASE,
)
PHONE = re.compile(r"(?<!\w)\+?\d(?:[ ()/.-]{0,2}\d){8,}(?!\w)")


def strange(text: str, brief: Brief) -> list[str]:
    """Links, addresses and telephone numbers of `text` that the user did not type, in order.

    A bare host name that a fact was read on may be named ("on brightwave.example I read"), not linked to.
    """
    typed = " ".join(
        [*brief.sender.values(), *brief.campaign.values(), *(s.instructions for s in brief.steps)]
    )
    typed = typed.lower()
    hosts = {host for fact in brief.facts for host in _names_of(fact.source_url)}
    found = [*ADDRESS.findall(text), *LINK.findall(ADDRESS.sub(" ", text)), *PHONE.findall(text)]
    asked = (_bare(place) for place in found)
    return [place for place in dict.fromkeys(asked) if place not in typed and place not in hosts]


def _bare(place: str) -> str:
    return place.lower().rstrip(".,;:!?)\"'”’")


def _names_of(url: str) -> set[str]:
    host = re.sub(r"^\w+://", "", url.lower()).split("/", 1)[0].split(":", 1)[0]
    return {host, host.removeprefix("www.")} - {""}
