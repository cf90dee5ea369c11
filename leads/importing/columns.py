"""What a column of somebody's table means: guessed from its title in four languages, and from what stands in it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence

IGNORE = ""
CUSTOM = "custom"  # kept under its own title in the lead's custom fields
EMAIL_LIKE = re.compile(r"[^\s@<>,;\"]+@[^\s@<>,;\"]+\.[^\s@<>,;\"]{2,}")

# Field → titles as people write them. `first_name` and `last_name` are joined to the name.
TITLES: dict[str, str] = {
    "email": "email|e mail|mail|email address|e mail address|mail address|emailaddress|work email|business email|"
    "primary email|contact email|person email|email 1|e mail 1 value|email 1 value|e mail adresse|email adresse|"
    "mailadresse|emailadresse|adresse e mail|adresse email|adresse mail|adresse electronique|courriel|mel|"
    "correo|correo electronico|direccion de correo|direccion de correo electronico|direccion de email",
    "name": "name|full name|fullname|contact|contact name|person|lead|lead name|display name|your name|"
    "vollstandiger name|ansprechpartner|ansprechpartnerin|kontakt|kontaktperson|vor und nachname|nom complet|"
    "nom et prenom|prenom et nom|nombre completo|nombre y apellidos|nombre y apellido|contacto|persona de contacto",
    "first_name": "first name|firstname|first|given name|givenname|forename|vorname|rufname|prenom|nombre|"
    "nombre de pila|primer nombre",
    "last_name": "last name|lastname|last|surname|family name|familyname|nachname|familienname|zuname|nom|"
    "nom de famille|apellido|apellidos|primer apellido",
    "company": "company|company name|companyname|organization|organisation|organization name|account|account name|"
    "employer|business|business name|firm|firma|firmenname|unternehmen|gesellschaft|arbeitgeber|"
    "entreprise|societe|nom de l entreprise|nom de la societe|raison sociale|employeur|"
    "empresa|compania|nombre de la empresa|razon social|organizacion|sociedad",
    "title": "title|job title|jobtitle|position|role|job|job position|headline|designation|function|"
    "titel|berufsbezeichnung|stelle|funktion|rolle|jobtitel|beruf|stellenbezeichnung|"
    "poste|fonction|titre|intitule du poste|profession|intitule de poste|cargo|puesto|puesto de trabajo|titulo|funcion",
    "website_url": "website|website url|web site|site|url|homepage|web|company website|company url|webpage|domain|"
    "company domain|domain name|webseite|internetseite|internetadresse|domane|"
    "site web|site internet|site web de l entreprise|sitio web|pagina web|sitio|dominio",
    "linkedin_url": "linkedin|linkedin url|linkedin profile|linkedin profile url|person linkedin url|linkedin link|"
    "linkedin profil|profil linkedin|perfil de linkedin|perfil linkedin|li url",
    "ig_url": "instagram|instagram url|ig|ig url|instagram profile|insta|perfil de instagram|profil instagram",
    "twitter_url": "twitter|twitter url|twitter profile|x|x url|x com|twitter x|perfil de twitter|profil twitter",
    "phone": "phone|phone number|telephone|tel|mobile|mobile phone|cell|cell phone|work phone|direct phone|phone 1 value|"
    "telefon|telefonnummer|handy|handynummer|mobiltelefon|rufnummer|telefono|numero de telefono|movil|"
    "numero de telephone|portable|tel portable|telephone portable|mobil|celular",
    "whatsapp": "whatsapp|whatsapp number|whats app|whatsapp nummer|numero whatsapp|numero de whatsapp",
    "location": "location|city|place|town|address|city country|region|ort|stadt|standort|wohnort|sitz|adresse|"
    "ville|lieu|localisation|ciudad|ubicacion|localidad|direccion|country|land|pays|pais",
    "time_zone": "time zone|timezone|tz|zeitzone|fuseau horaire|zona horaria",
    "tags": "tags|tag|labels|label|categories|category|schlagworte|schlagworter|kategorie|kategorien|"
    "etiquettes|etiquette|mots cles|categorie|etiquetas|etiqueta|categoria",
    "source": "source|lead source|origin|quelle|herkunft|leadquelle|origine|provenance|fuente|origen",
    "lawful_basis": "lawful basis|legal basis|gdpr basis|rechtsgrundlage|base legale|base juridique|base legal",
    "consent_source": "consent source|consent|opt in source|einwilligung|consentement|consentimiento",
}
FIELD_LABELS: dict[str, str] = {
    "email": "Email",
    "name": "Name",
    "first_name": "First name",
    "last_name": "Last name",
    "company": "Company",
    "title": "Job title",
    "website_url": "Website",
    "linkedin_url": "LinkedIn",
    "ig_url": "Instagram",
    "twitter_url": "Twitter / X",
    "phone": "Phone",
    "whatsapp": "WhatsApp",
    "location": "Location",
    "time_zone": "Time zone",
    "tags": "Tags",
    "source": "Source",
    "lawful_basis": "Lawful basis",
    "consent_source": "Source of consent",
}
_OTHER_SCRIPTS: dict[str, str] = {
    "email": "почта|эл. почта|электронная почта|емейл|e-mail адрес|имейл|"
    "メール|メールアドレス|eメール|电子邮件|电子邮箱|邮箱|"
    "電子郵件|電子信箱|信箱|이메일|이메일 주소|ηλεκτρονική διεύθυνση|ηλεκτρονικό ταχυδρομείο",
    "name": "имя|фио|контакт|氏名|名前|お名前|姓名|名字|联系人|聯絡人|이름|성명|όνομα|ονοματεπώνυμο",
    "last_name": "фамилия|επώνυμο",
    "company": "компания|организация|фирма|会社|会社名|企業名|公司|公司名称|公司名稱|회사|회사명|εταιρεία",
    "title": "должность|役職|職位|职位|职务|職稱|직책|직함|θέση",
    "phone": "телефон|電話|電話番号|电话|手机|전화|전화번호|τηλέφωνο",
    "website_url": "сайт|веб-сайт|ウェブサイト|网站|網站|웹사이트|ιστοσελίδα",
    "location": "город|所在地|住所|城市|地址|도시|πόλη",
}
_BY_NATIVE_TITLE = {title: field for field, titles in _OTHER_SCRIPTS.items() for title in titles.split("|")}
_BY_TITLE = {title: field for field, titles in TITLES.items() for title in titles.split("|")}


def plain(title: str) -> str:
    """A title without case, accents, punctuation and camel humps: `E-Mail_Adresse ` is `e mail adresse`."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", title) if not title.isupper() else title
    for name in (spaced, title):
        bare = (
            unicodedata.normalize("NFKD", name.replace("ß", "ss")).encode("ascii", "ignore").decode().lower()
        )
        words = " ".join(re.findall(r"[a-z0-9]+", bare))
        if words in _BY_TITLE:
            return words
    return words


def field_for(title: str) -> str:
    """The field a title names by itself, or nothing."""
    return _BY_TITLE.get(plain(title)) or _BY_NATIVE_TITLE.get(" ".join(title.lower().split()), IGNORE)


def is_header(cells: Sequence[str]) -> bool:
    """True for a row of titles: one of them means an address and none is one."""
    return any(field_for(cell) == "email" for cell in cells) and not holds_address(cells)


def holds_address(cells: Iterable[str]) -> bool:
    """True when a cell is an address: then the row is data, not titles."""
    return any(EMAIL_LIKE.fullmatch(cell.strip()) for cell in cells)


def unique_titles(cells: Sequence[str]) -> list[str]:
    """Titles that can be keys: `Column 3` for an empty one, `Phone (2)` for a repeated one."""
    titles: list[str] = []
    seen: set[str] = set()
    for position, cell in enumerate(cells, start=1):
        base = " ".join(cell.split())[:80] or f"Column {position}"
        title, copy = base, 2
        while title in seen:
            title, copy = f"{base} ({copy})", copy + 1
        seen.add(title)
        titles.append(title)
    return titles


def guess_mapping(titles: Sequence[str], sample: Sequence[Sequence[str]]) -> dict[str, str]:
    """{title: field} for every column; each field once, the best column first, the rest `CUSTOM`.

    Without a title that means an address, the column in which most values are addresses is taken.
    """
    mapping = dict.fromkeys(titles, CUSTOM)
    taken: set[str] = set()
    for title in titles:
        field = field_for(title)
        if field and field not in taken:
            mapping[title] = field
            taken.add(field)
    if "email" not in taken and (title := _address_column(titles, sample)):
        mapping[title] = "email"
    fields = set(mapping.values())
    if "last_name" in fields and "first_name" not in fields and "name" not in fields:
        # "Nom" and "Nachname" alone are the whole name.
        mapping = {title: "name" if field == "last_name" else field for title, field in mapping.items()}
    elif "first_name" in fields and not fields & {"last_name", "name"}:
        mapping = {title: "name" if field == "first_name" else field for title, field in mapping.items()}
    elif fields >= {"name", "first_name"} and "last_name" not in fields:
        # "Vorname, Name" is how many German lists are headed.
        mapping = {title: "last_name" if field == "name" else field for title, field in mapping.items()}
    return mapping


def _address_column(titles: Sequence[str], sample: Sequence[Sequence[str]]) -> str:
    best, share = "", 0.5
    for position, title in enumerate(titles):
        values = [row[position].strip() for row in sample if position < len(row) and row[position].strip()]
        hits = sum(bool(EMAIL_LIKE.fullmatch(value)) for value in values)
        if values and hits / len(values) > share:
            best, share = title, hits / len(values)
    return best


def apply_overrides(guessed: Mapping[str, str], wanted: Mapping[str, str]) -> dict[str, str]:
    """The guess with a person's corrections: a field given by hand is taken away from where it was guessed."""
    by_hand = {field for field in wanted.values() if field not in (IGNORE, CUSTOM)}
    mapping = {title: CUSTOM if field in by_hand else field for title, field in guessed.items()}
    return {**mapping, **wanted}
