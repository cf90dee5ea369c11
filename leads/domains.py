"""Domains of addresses and web sites, and which of them belong to everybody."""

from __future__ import annotations

from urllib.parse import urlsplit

# Mail providers whose domain says nothing about the employer.
_FREE_MAIL = """
    gmail.com googlemail.com yahoo.com yahoo.co.uk yahoo.de yahoo.fr yahoo.es yahoo.it yahoo.co.jp
    yahoo.co.in ymail.com rocketmail.com hotmail.com hotmail.co.uk hotmail.de hotmail.fr hotmail.es
    hotmail.it outlook.com outlook.de outlook.fr outlook.es live.com live.de live.fr live.co.uk msn.com
    icloud.com me.com mac.com aol.com aim.com gmx.de gmx.net gmx.com gmx.at gmx.ch web.de t-online.de
    freenet.de arcor.de online.de posteo.de mailbox.org protonmail.com proton.me pm.me tutanota.com
    tuta.io fastmail.com fastmail.fm hey.com zoho.com yandex.ru yandex.com ya.ru mail.ru bk.ru inbox.ru
    list.ru rambler.ru qq.com 163.com 126.com sina.com sohu.com foxmail.com naver.com daum.net
    hanmail.net orange.fr wanadoo.fr free.fr laposte.net sfr.fr neuf.fr bluewin.ch libero.it virgilio.it
    tiscali.it alice.it telefonica.net terra.es comcast.net verizon.net att.net sbcglobal.net
    bellsouth.net cox.net charter.net btinternet.com sky.com virginmedia.com ntlworld.com talktalk.net
    shaw.ca rogers.com sympatico.ca bigpond.com optusnet.com.au seznam.cz centrum.cz wp.pl o2.pl onet.pl
    interia.pl abv.bg uol.com.br bol.com.br terra.com.br mail.com inbox.com email.com usa.com
"""
FREE_MAIL = frozenset(_FREE_MAIL.split())
# Sites on which a company may have a page, without the domain being its own.
SHARED_SITES = frozenset(
    {
        "facebook.com",
        "github.com",
        "instagram.com",
        "linkedin.com",
        "linktr.ee",
        "medium.com",
        "twitter.com",
        "x.com",
        "youtube.com",
    }
)


def of_email(email: str) -> str:
    """The part after the @, in lower case."""
    return email.rpartition("@")[2].strip().lower()


def of_url(url: str) -> str:
    """The host of a web address without `www.`, or nothing."""
    try:
        host = urlsplit(url if "//" in url else f"//{url}").hostname or ""
    except ValueError:
        return ""
    return host.lower().removeprefix("www.").rstrip(".")


def is_company_domain(domain: str) -> bool:
    """False for free mail and shared sites."""
    return bool(domain) and "." in domain and domain not in FREE_MAIL and domain not in SHARED_SITES


def company_domain(email: str, website_url: str = "") -> str:
    """The domain that stands for a lead's company: the address's, else the web site's, else nothing."""
    domain = of_email(email)
    if not is_company_domain(domain) and website_url:
        domain = of_url(website_url)
    return domain if is_company_domain(domain) else ""


def with_parents(domain: str) -> list[str]:
    """`mail.acme.co.uk` and every domain above it that has a dot."""
    labels = domain.split(".")
    return [".".join(labels[i:]) for i in range(len(labels) - 1)]
