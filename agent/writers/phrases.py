"""The offline writer's phrases, by step type (seed 000, section 6.3). None of them claims anything about the reader."""

SUBJECTS = ("A question about {company}", "{name}, a thought on {company}", "{company}: one short question")

OPEN_WITH_FACT = {
    "introduction": ("I read on {site} that", "On {site} I saw that", "I came across this on {site}:"),
    "value_proposition": ("One more thing I read on {site}:", "Something else on {site} caught my eye:"),
    "case_study": ("I keep in mind what I read on {site}:", "On {site} I read that"),
    "soft_reminder": ("I had in mind what I read on {site}:",),
    "breakup": ("When I first wrote, I had read on {site} that",),
}

OPEN_WITHOUT_FACT = {
    "introduction": (
        "I am writing to you directly because I would rather ask one person a real question than send a brochure.",
    ),
    "value_proposition": ("I wanted to add one thing to my first note, so that you can judge it quickly.",),
    "case_study": (
        "Let me make this concrete, because a general description rarely helps anyone to decide.",
    ),
    "soft_reminder": ("A short reminder of my notes, in case they came at a busy moment, as most mails do.",),
    "breakup": (
        "I have written a few times and do not want to crowd your inbox, so this is my last note for now.",
    ),
}

BRIDGES = {
    "introduction": (
        "That is the reason I am writing to you now rather than sending something general.",
        "That made me think a short, concrete note might be of use.",
    ),
    "value_proposition": ("It seemed close enough to what we do to say a little more.",),
    "case_study": ("So here is what it could mean in practice, without a sales talk.",),
    "soft_reminder": ("My question from then still stands.",),
    "breakup": ("The timing may simply have been wrong, and that is fine.",),
}

WHO = {
    "introduction": ("In short, this is what we do at {sender}.", "A word on {sender}."),
    "value_proposition": ("What we do at {sender}, in plain words:",),
    "case_study": ("To recall what we do at {sender}:",),
    "soft_reminder": ("As a reminder:",),
    "breakup": ("Should it come up again, here is what we do:",),
}

MORE = {
    "introduction": (
        "If that touches anything you are working on at {company}, I would like to hear how you see it.",
    ),
    "value_proposition": (
        "I do not know your priorities, so tell me if this is beside the point. If it is not, I can write down in a "
        "few lines how it could look for {company}, and you decide whether that is worth a conversation.",
    ),
    "case_study": (
        "If you name one case from your own work, I will answer with how we would go about it: what we would do "
        "first, what we would need from you, and where it would not fit. No call needed for that, a reply is enough.",
    ),
    "soft_reminder": ("A one-line answer is plenty, also a no; then I will not write about this again.",),
    "breakup": (
        "If it becomes relevant later, just reply to this mail and I will pick it up from there. Thank you for your "
        "time in any case.",
    ),
}

CALLS = {
    "introduction": (
        "Would a 15-minute call in the next two weeks be worth your time?",
        "Is this worth a short call in the coming days?",
    ),
    "value_proposition": ("Shall I send you those few lines?", "Would a short outline help you decide?"),
    "case_study": ("Which case would you pick?",),
    "soft_reminder": ("Is it worth a short conversation, yes or no?",),
    "breakup": ("May I ask again in a few months?",),
}

POSTSCRIPTS = {
    "introduction": (
        "If someone else looks after this at {company}, a pointer to the right person helps as much.",
    ),
    "value_proposition": ("If mail is not your way, tell me how you would rather be reached.",),
    "case_study": ("A reply to this mail reaches me directly.",),
    "soft_reminder": ("If a colleague is closer to this, feel free to pass it on.",),
    "breakup": ("You will find all we offer on our site whenever you need it.",),
}
