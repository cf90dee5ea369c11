"""Which encoding a text file is in: byte-order mark, zeros of UTF-16, strict UTF-8, then the most plausible reading.

A short list of names gives statistics little to work with. What gives a wrong encoding away is rather where its letters
fall: symbols and capitals inside a word, Latin letters glued to Chinese ones, characters nobody uses.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from charset_normalizer import from_bytes

MIXED = "leadpilot-mixed"  # error handler: a file that is UTF-8 but for some bytes pasted in from Windows
SAMPLE_BYTES = 64_000
CHUNK = 1 << 20

BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
CANDIDATES = (
    "cp1252", "mac_roman", "cp1250", "cp1251", "koi8_r", "iso8859_5", "iso8859_2", "cp1253", "cp866",
    "shift_jis", "gb18030", "big5", "euc_jp", "euc_kr", "cp850",
)  # fmt: skip
LABELS = {
    "utf-8": "UTF-8",
    "utf-16": "UTF-16",
    "utf_16_le": "UTF-16, little-endian",
    "utf_16_be": "UTF-16, big-endian",
    "utf-32": "UTF-32",
    "cp1252": "Western European (Windows-1252)",
    "latin_1": "Western European (ISO-8859-1)",
    "mac_roman": "Western European (Mac)",
    "cp850": "Western European (DOS)",
    "cp1250": "Central European (Windows-1250)",
    "iso8859_2": "Central European (ISO-8859-2)",
    "cp1251": "Cyrillic (Windows-1251)",
    "koi8_r": "Cyrillic (KOI8-R)",
    "iso8859_5": "Cyrillic (ISO-8859-5)",
    "cp866": "Cyrillic (DOS)",
    "cp1253": "Greek (Windows-1253)",
    "shift_jis": "Japanese (Shift JIS)",
    "euc_jp": "Japanese (EUC-JP)",
    "iso2022_jp": "Japanese (ISO-2022-JP)",
    "gb18030": "Chinese, simplified (GB 18030)",
    "big5": "Chinese, traditional (Big5)",
    "euc_kr": "Korean (EUC-KR)",
}
CHOICES = tuple(LABELS)

_WESTERN = set("äöüßéèêëàâçîïôûùñáíóúãõåøæœìòÄÖÜÉÈÀÇÑÁÍÓÚÅØÆŒÂÊÎÔ")
_CENTRAL = set("ąćęłńśźżčďěňřšťůžýőűăâîşţľĺŕđĄĆĘŁŃŚŹŻČĎĚŇŘŠŤŮŽÝŐŰĂŞŢĽĐ")
_WORD = re.compile(r"[^\W\d_]+")
_MULTIBYTE = {"shift_jis", "gb18030", "big5", "euc_jp", "euc_kr"}
# Where each double-byte set keeps its everyday characters, by first byte.
_EVERYDAY = {
    "shift_jis": range(0x82, 0x98),
    "gb18030": range(0xB0, 0xD8),
    "big5": range(0xA4, 0xC7),
    "euc_jp": range(0xA4, 0xD0),
    "euc_kr": range(0xB0, 0xC9),
}


def _replace_from_windows(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    raw = error.object[error.start : error.end]
    try:
        return raw.decode("cp1252"), error.end
    except UnicodeDecodeError:
        return raw.decode("latin_1"), error.end


codecs.register_error(MIXED, _replace_from_windows)


def detect(path: Path) -> str:
    """The name of the encoding to open this file with (always together with the error handler `MIXED`)."""
    with path.open("rb") as file:
        head = file.read(4096)
    for mark, name in BOMS:
        if head.startswith(mark):
            return name
    if found := _utf16_without_mark(head):
        return found
    if any(b"\x1b$" in chunk for chunk in _chunks(path)):
        return "iso2022_jp"
    if _is_utf8(path) or _is_mostly_utf8(path):
        return "utf-8"
    return guess(b"\n".join(_telling_lines(path)))


def _utf16_without_mark(head: bytes) -> str:
    pairs = len(head) // 2
    if pairs < 4:
        return ""
    low, high = head[0::2].count(0), head[1::2].count(0)
    if high > 0.4 * pairs and low < 0.1 * pairs:
        return "utf_16_le"
    if low > 0.4 * pairs and high < 0.1 * pairs:
        return "utf_16_be"
    return ""


def _is_utf8(path: Path) -> bool:
    decode = codecs.getincrementaldecoder("utf-8")().decode
    try:
        for chunk in _chunks(path):
            decode(chunk)
        decode(b"", True)
    except UnicodeDecodeError:
        return False
    return True


def _is_mostly_utf8(path: Path) -> bool:
    """True when more characters beyond ASCII are sound UTF-8 than bytes are not: somebody pasted lines together."""
    decode = codecs.getincrementaldecoder("utf-8")("surrogateescape").decode
    sound = broken = 0
    for chunk in _chunks(path):
        if chunk.isascii():
            continue
        text = decode(chunk)
        stray = len(_STRAY.findall(text))
        broken += stray
        sound += len(text) - len(text.encode("ascii", "ignore")) - stray
    return sound > broken


_STRAY = re.compile("[\udc80-\udcff]")


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk


def _telling_lines(path: Path) -> Iterator[bytes]:
    """Lines with bytes beyond ASCII, up to a sample's size."""
    left = SAMPLE_BYTES
    for chunk in _chunks(path):
        for line in re.split(rb"[\r\n]+", chunk)[:-1] or [chunk]:
            if not line.isascii():
                yield line[:2000]
                left -= len(line[:2000])
                if left <= 0:
                    return
    with path.open("rb") as file:  # the last line has no end
        file.seek(max(0, path.stat().st_size - 2000))
        yield file.read().rpartition(b"\n")[2]


def guess(sample: bytes) -> str:
    """The likeliest of `CANDIDATES` for lines that are not UTF-8; Latin-1 where even Windows' bytes do not fit."""
    scores = {name: score for name in CANDIDATES if (score := _score(sample, name)) is not None}
    if not scores:
        return "latin_1"
    best = max(scores, key=scores.__getitem__)  # of equals the first one, so Windows before the Mac
    if scores[best] > 0:
        return best
    match = from_bytes(sample, cp_isolation=list(CANDIDATES)).best()
    return match.encoding if match else best


def _score(sample: bytes, name: str) -> float | None:
    try:
        text = sample.decode(name)
    except UnicodeDecodeError:
        return None
    if name in _MULTIBYTE:
        return _score_multibyte(text, name)
    judge = _latin if name in _LATIN else _cyrillic if name in _CYRILLIC else _greek
    beyond = [c for c in text if ord(c) > 127]
    penalty = sum(
        3.0 for i, c in enumerate(text) if ord(c) > 127 and not c.isalpha() and _inside_word(text, i)
    )
    penalty += sum(5.0 for c in beyond if 0x80 <= ord(c) < 0xA0 or 0x2500 <= ord(c) < 0x25A0)
    penalty += sum(2.0 for word in _WORD.findall(text) if not word.isascii() and _odd_case(word))
    return (sum(map(judge, beyond)) - penalty) / len(beyond)


_LATIN = {"cp1252", "mac_roman", "cp1250", "iso8859_2", "cp850"}
_CYRILLIC = {"cp1251", "koi8_r", "iso8859_5", "cp866"}


def _latin(char: str) -> float:
    return 1.0 if char in _WESTERN else 0.8 if char in _CENTRAL else 0.4 if char in "€–—’“”„«»…®™°·" else 0.0


def _cyrillic(char: str) -> float:
    return 1.1 if "А" <= char <= "я" or char in "ЁёІіЇїЄєҐґ" else 0.4 if char in "№«»–—" else -0.5


def _greek(char: str) -> float:
    return 1.05 if "Ά" <= char <= "ώ" else -0.5


def _inside_word(text: str, at: int) -> bool:
    return (
        0 < at < len(text) - 1 and text[at - 1].isalpha() and text[at + 1].isalpha() and text[at] not in "’·-"
    )


def _odd_case(word: str) -> bool:
    """Capitals after small letters, as a wrong table makes them; or two alphabets in one word."""
    scripts = {"latin" if c < "Ͱ" else "greek" if c < "Ѐ" else "cyrillic" for c in word}
    if len(scripts) > 1:
        return True
    return not (word.islower() or word.isupper() or word[1:].islower() or _camel(word))


def _camel(word: str) -> bool:
    return len(word) > 3 and word[0].isupper() and word[1:3].islower() and sum(map(str.isupper, word)) == 2


def _score_multibyte(text: str, name: str) -> float:
    everyday: Callable[[str], bool] = lambda c: c.encode(name)[0] in _EVERYDAY[name]  # noqa: E731
    points = count = 0.0
    for i, char in enumerate(text):
        if char.isascii():
            continue
        count += 1
        if 0xE000 <= ord(char) < 0xF900 or 0xFF61 <= ord(char) < 0xFFA0:
            points -= 2
        elif char in "　、。，・「」（）：；":
            points += 0.5
        else:
            points += (1.35 if name == "euc_kr" else 1.3) if everyday(char) and char.isalpha() else -1.0
        beside = text[i - 1 : i] + text[i + 1 : i + 2]
        points -= 1.5 * sum(c.isascii() and c.isalpha() for c in beside)
    return points / count
