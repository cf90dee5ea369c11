"""What headers and words say about a reply, in English, German, French and Spanish, without a model."""

from __future__ import annotations

import re
from datetime import date

from agent.reading.dates import return_date
from agent.reading.types import Reading

Pattern = re.Pattern[str]


def _any(*phrases: str) -> Pattern:
    return re.compile("|".join(f"(?:{phrase})" for phrase in phrases), re.IGNORECASE)


UNSUBSCRIBE = _any(
    r"\bunsubscribe\b",
    r"\b(?:take|remove|delete) (?:me|us|my (?:name|e-?mail|address)|this address)\b",
    r"\b(?:off|from) (?:your|the|this) (?:mailing )?list\b",
    r"\b(?:do not|don'?t|please stop|stop) (?:ever )?(?:e-?mail\w*|contact\w*|writ\w+|messag\w+|send\w*)\b",
    r"\bno (?:more|further) (?:e-?mails?|messages?|mails?)\b",
    r"\bopt(?:ing)?[ -]?out\b",
    r"\bleave me alone\b",
    r"^\s*stop\s*[.!]*\s*$",
    r"\b(?:abmelden|austragen|keine (?:weiteren )?(?:e-?mails?|mails|nachrichten))\b",
    r"\bbitte (?:nicht mehr|keine)\b",
    r"\b(?:désinscri\w+|ne (?:m'|me )(?:contactez|écrivez) plus)",
    r"\b(?:darme de baja|no me (?:escriba|contacte)\w*)",
)
ANGRY = _any(
    r"\b(?:how dare you|this is spam|you spammers?|reported? (?:you|this|it))\b",
    r"\b(?:harass\w*|lawyer|legal action|gdpr complaint)\b",
    r"\b(?:fuck|bullshit|piss off|idiots?|sick of)\b",
    r"\b(?:unverschämt\w*|frechheit|anwalt|abmahnung)\b",
)
OUT_OF_OFFICE = _any(
    r"\bout of (?:the )?office\b",
    r"\b(?:on|annual|parental|maternity|paternity|sick) (?:leave|vacation|holiday)\b",
    r"\baway from (?:my|the) (?:desk|office|e-?mail)\b",
    r"\bi(?:'m| am) (?:currently )?(?:away|travelling|traveling|on holiday)\b",
    r"\bback (?:in the office )?on\b",
    r"\blimited access to (?:my )?e-?mail\b",
    r"\b(?:abwesend|abwesenheit\w*|nicht im (?:büro|haus)|im urlaub|elternzeit)\b",
    r"\b(?:absent|congés?|absence du bureau)\b",
    r"\bfuera de la oficina\b",
)
WRONG_PERSON = _any(
    r"\bnot the right (?:person|contact)\b",
    r"\bwrong person\b",
    r"\bno longer (?:work|with|at|responsible)\b",
    r"\bnot (?:my (?:area|department|job)|responsible for)\b",
    r"\bnicht (?:der|die) richtige (?:ansprechpartner\w*|person)\b",
    r"\bnicht (?:mehr )?zuständig\b",
)
REFERRAL = _any(
    r"\b(?:contact|reach out to|write to|talk to|speak (?:to|with)|get in touch with|ask) [A-Z][\w'-]+",
    r"\bmy colleague\b",
    r"\bthe (?:one|person|colleague) to (?:talk|speak|write) to\b",
    r"\bforward(?:ed|ing) (?:this|your)\b",
    r"\bcc(?:'?ed|'?ing)? (?:my|our|in)\b",
    r"\bwenden sie sich (?:bitte )?an\b",
    r"\bmein\w* kolleg\w+\b",
)
NOT_INTERESTED = _any(
    r"\bnot interested\b",
    r"\bno,? (?:thanks|thank you)\b",
    r"\b(?:not|isn'?t) (?:a (?:priority|fit)|relevant|something we|the right time|a good time|right now|now)\b",
    r"\bmaybe (?:later|next (?:year|quarter))\b",
    r"\b(?:happy|all set|covered|under contract) (?:with|by|until)\b",
    r"\bwe(?:'ll| will)? pass\b",
    r"\bno (?:need|budget|interest)\b",
    r"\b(?:get|come) back to (?:me|us) (?:in|next|after)\b",
    r"\bno time for (?:this|that|it)\b",
    r"\b(?:write to|contact|try|ask) (?:me|us) again (?:in|next|after)\b",
    r"\b(?:kein(?:en)? (?:interesse|bedarf)|nicht interessiert|derzeit nicht|im moment nicht|nein,? danke)\b",
)
OBJECTION = _any(
    r"\btoo (?:expensive|small|big|early|complicated)\b",
    r"\bwe (?:already|currently) (?:use|have|work with)\b",
    r"\b(?:concern|worried|sceptical|skeptical|doubt)\w*\b",
    r"\bzu teuer\b",
)
INTERESTED = _any(
    r"\b(?:sounds|looks) (?:good|great|interesting|useful|promising)\b",
    r"\b(?:i(?:'m| am)|we(?:'re| are)|i(?:'d| would) be|definitely|very) (?:very |quite )?"
    r"(?:interested|keen|open to)\b",
    r"\b(?:let'?s|happy to|glad to|would love to|i'?d love to|can we|could we|shall we) "
    r"(?:talk|chat|speak|meet|set up|schedule|have a|hear|jump|do a)\b",
    r"\b(?:book|schedule|set up|arrange) (?:a |some )?(?:call|meeting|time|demo)\b",
    r"\b(?:send|tell) me more\b",
    r"\b(?:monday|tuesday|wednesday|thursday|friday|tomorrow|next week)\b[^.?!]{0,40}"
    r"\b(?:works|suits|is fine|would work|free)\b",
    r"\b(?:interessiert|klingt (?:gut|spannend|interessant)|gerne? (?:mehr|ein (?:gespräch|termin)))\b",
)
# Asks for or offers a conversation: interest, also when it is put as a question.
MEETING = _any(
    r"\b(?:could|can|would|shall|will) (?:you|we) (?:do|make|have|manage|fit in) (?:a |an )?(?:short |quick |brief )?"
    r"(?:call|chat|meeting|demo)\b",
    r"\b(?:happy|glad|keen) to (?:talk|chat|speak|meet|hear)\b",
    r"\byes,? please\b",
    r"\b(?:i am|i'm|we are|we're) all ears\b",
    r"(?<!not )\bworth (?:a|the) (?:conversation|talk|call|chat|try)\b",
    r"\bsend (?:me|us|over) (?:a|an|some|your|the|two|three) (?:short |brief |quick )?"
    r"(?:proposal|offer|invite|invitation|times|slots|dates)\b",
    r"\b(?:ring|call|phone) me (?:on|at|after|tomorrow|next)\b",
)
QUESTION = _any(
    r"\b(?:how much|what does it cost|pricing|price|how does|how do you|what is|what are|which|is it possible|"
    r"do you (?:support|integrate|offer|have)|can (?:you|it)|could you)\b[^?]{0,200}\?",
    r"\bwas kostet\b",
)
ADDRESS = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
NAMED = re.compile(
    r"(?:contact|reach out to|write to|talk to|speak (?:to|with)|in touch with|my colleague|ask|"
    r"wenden sie sich (?:bitte )?an)"
    r"(?: my colleague)?(?: (?:frau|herrn?|ms\.?|mr\.?|mrs\.?))?,? ([A-ZÄÖÜÅÉ][\w'’-]+(?: [A-ZÄÖÜÅÉ][\w'’-]+){0,2})"
)


def read(subject: str, text: str, is_automatic: bool, received: date) -> Reading:
    """Classify by the strongest sign; a wish not to be written to comes before everything else a person says."""
    both = f"{subject}\n{text}"
    if is_automatic:
        return _automatic(both, text, received)
    if match := UNSUBSCRIBE.search(text):
        angry = ANGRY.search(text)
        return Reading("unsubscribe", "angry" if angry else "negative", 0.97, _because(match))
    if match := ANGRY.search(text):
        return Reading("not_interested", "angry", 0.9, _because(match))
    if _looks_away(both, text):
        return _away(both, text, received, 0.8)
    return _by_person(text)


def _automatic(both: str, text: str, received: date) -> Reading:
    if OUT_OF_OFFICE.search(both):
        return _away(both, text, received, 0.95)
    return Reading("auto_reply", "neutral", 0.9, "Its headers say that a machine sent it.")


def _looks_away(both: str, text: str) -> bool:
    found = OUT_OF_OFFICE.search(both)
    return bool(found) and not INTERESTED.search(text) and not QUESTION.search(text)


def _away(both: str, text: str, received: date, confidence: float) -> Reading:
    match = OUT_OF_OFFICE.search(both)
    back = return_date(text, received)
    extracted = {"return_date": back.isoformat()} if back else {}
    reason = _because(match) if match else "Its headers say that a machine sent it."
    if back:
        reason += f" Back on {back.isoformat()}."
    return Reading("out_of_office", "neutral", confidence, reason, extracted=extracted)


def _by_person(text: str) -> Reading:
    contact = _contact(text)
    wrong, referral = WRONG_PERSON.search(text), REFERRAL.search(text)
    if referral and contact and (wrong or contact.get("contact_email")):
        return Reading("referral", "neutral", 0.85, _because(referral), extracted=contact)
    if wrong:
        return Reading("wrong_person", "neutral", 0.85, _because(wrong), extracted=contact)
    meeting = MEETING.search(text)
    no, yes = NOT_INTERESTED.search(text), INTERESTED.search(text) or meeting
    if no and not (yes and yes.start() > no.end() + 80):
        return Reading(
            "not_interested", "negative" if not yes else "neutral", 0.85 if not yes else 0.65, _because(no)
        )
    if meeting:
        return Reading("interested", "positive", 0.85, _because(meeting))
    if question := QUESTION.search(text):
        return Reading("question", "positive" if yes else "neutral", 0.8, _because(question))
    if yes:
        return Reading("interested", "positive", 0.85, _because(yes))
    if objection := OBJECTION.search(text):
        return Reading("objection", "neutral", 0.75, _because(objection))
    if "?" in text:
        return Reading("question", "neutral", 0.65, "It asks something.")
    return Reading("other", "neutral", 0.4, "No rule fits; a person should read it.")


def _contact(text: str) -> dict[str, str]:
    contact: dict[str, str] = {}
    if name := NAMED.search(text):
        contact["contact_name"] = name.group(1)
    if address := ADDRESS.search(text):
        contact["contact_email"] = address.group(0).rstrip(".").lower()
    return contact


def _because(match: re.Match[str]) -> str:
    return f"It says “{' '.join(match.group(0).split())}”."
