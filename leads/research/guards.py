"""What never becomes a fact: text for machines, cookie notices and other boilerplate, links and merge fields."""

from __future__ import annotations

import re
from functools import lru_cache

_MACHINES = (
    r"(?:ai|artificial intelligence|language|large language) ?"
    r"(?:assistants?|models?|agents?|systems?|tools?|bots?|crawlers?)"
    r"|llms?|chat ?gpt|gpt-?\d?|claude|gemini|copilot|chatbots?"
)
# A page may write about language models; it may not talk to them.
_ORDERS = re.compile(
    "|".join(
        [
            r"\b(?:ignore|disregard|forget|override|bypass)\b.{0,60}\b(?:instructions?|prompts?|rules|guidelines|above)\b",
            r"\b(?:ignore|disregard|forget|override)\b.{0,30}\b(?:previous|prior|everything|safety|polic(?:y|ies))\b",
            r"\b(?:note|notice|message|attention|instructions?|hint|memo)\b.{0,30}\b(?:to|for)\b.{0,30}"
            rf"\b(?:{_MACHINES}|bots?|robots?)\b",
            rf"\b(?:if|when) you(?:['’]re| are)? (?:an? |the )?(?:{_MACHINES}|ai\b|bot\b|robot\b|reading this as)",
            rf"\b(?:dear|hey|hello|attention),? (?:{_MACHINES}|ai)\b",
            r"\b(?:system|developer|hidden|initial) (?:prompt|message|instructions?)\b",
            r"\byou are now\b|\bact as (?:an? |the )?\b|\bpretend (?:to be|that|you)\b",
            r"\bnew (?:instructions?|task|rule|goal|objective)s?\s*:|\bimportant instructions?\b",
            r"\b(?:reveal|print|output|repeat|exfiltrate|leak|dump)\b.{0,50}"
            r"\b(?:prompt|instructions?|secrets?|keys?|credentials?|password|leads?|list)\b",
            r"\b(?:send|forward|e-?mail|mail|write|reply|bcc|cc|transfer|post)\b.{0,60}\b(?:list of (?:all )?leads"
            r"|all (?:leads|contacts|e-?mails)|api keys?|credentials?|passwords?|without approval|this conversation)\b",
            r"\bmark (?:this|the|all) (?:lead|contact|prospect|company)s?\b",
            r"\b(?:approve|send|book|unsubscribe)\b.{0,40}\bwithout (?:approval|asking|review|confirmation)\b",
            r"\b(?:function|tool)[_ ]calls?\b|\bcall the \w+ (?:tool|function)\b|###\s*(?:system|instruction)",
            r"<\|?(?:im_start|system|assistant|user)|\[/?INST\]|</?(?:information|system|instructions?)>",
            r"\b(?:ignoriere|vergiss|missachte)\b.{0,60}\b(?:anweisung\w*|anleitung\w*|regeln|vorgaben)\b",
            r"\bignore[zs]?\b.{0,40}\bconsignes\b|\bignora\b.{0,40}\binstrucciones\b",
        ]
    ),
    re.IGNORECASE | re.DOTALL,
)
_BOILERPLATE = re.compile(
    r"\b(?:cookies?|gdpr|privacy (?:policy|notice)|terms (?:of|and)|all rights reserved|copyright|subscribe|newsletter|"
    r"sign (?:up|in)|log ?in|click here|read more|learn more|continue reading|follow us|javascript|your browser|unsubscribe|"
    r"add to cart|checkout|free shipping|lorem ipsum|page not found|impressum|datenschutz\w*|alle rechte vorbehalten)\b|©",
    re.IGNORECASE,
)
_UNSAFE = re.compile(
    r"https?:|www\.|\S@\S|[<>{}\[\]\\|`~^*]|\$\{|%[A-Z_]+%|&(?:lt|gt|amp|#)|[A-Za-z0-9+/=_-]{45,}"
)


@lru_cache(maxsize=2048)
def is_order(text: str) -> bool:
    """Whether a text talks to a machine that reads it, or asks for an act."""
    return bool(_ORDERS.search(text[:5000]))


def is_boilerplate(text: str) -> bool:
    """Cookie notices, legal lines, calls to click."""
    return bool(_BOILERPLATE.search(text))


def is_safe_statement(text: str) -> bool:
    """Whether a statement can stand in a mail: no address, markup, merge field or long code, and of sensible length."""
    return 12 <= len(text) <= 320 and not _UNSAFE.search(text) and text.isprintable()
