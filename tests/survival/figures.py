"""Reading figures in any notation, for the checks: independent of how the translator reads them."""

import re
from collections.abc import Iterator

_CLOCK = re.compile(
    r"(?<![\d.,:])(\d{1,2})(?:[:.](\d\d))?(?:[:.](\d\d))?\s?(?:([ap])\.?\s?m\b\.?|Uhr\b)", re.IGNORECASE
)
_PLAIN_CLOCK = re.compile(r"(?<![\d.,:])(\d{1,2}):(\d\d)(?::(\d\d))?(?![\d:])")
_ISO_DATE = re.compile(r"(?<!\d)(\d{4})-(\d\d)-(\d\d)(?!\d)")
_DOTTED_DATE = re.compile(r"(?<!\d)(\d{1,2})\.\s?(\d{1,2})\.\s?(\d{4})(?!\d)")
_SLASHED_DATE = re.compile(r"(?<!\d)(\d{1,2})/(\d{1,2})/(\d{4})(?!\d)")
_NUMBER = re.compile(r"(?<![\w.,])(?:(?<!\w)[-−+])?\d+(?:[.,'’\u00a0\u202f ]\d{3})*(?:[.,]\d+)?")
_SEPARATORS = re.compile(r"[ '’\u00a0\u202f]")


def read_figures(text: str) -> set[str]:
    """Every value that something in the text may stand for: "1.250" is 1250 and 1.250, "3:30 p.m." is 15:30."""
    found: set[str] = set()
    for match in _CLOCK.finditer(text):
        hour, minute = int(match[1]), match[2] or "00"
        if match[4]:
            hour = hour % 12 + (12 if match[4].lower() == "p" else 0)
        found.add(f"{hour:02}:{minute}" + (f":{match[3]}" if match[3] else ""))
    for match in _PLAIN_CLOCK.finditer(text):
        found.add(f"{int(match[1]):02}:{match[2]}" + (f":{match[3]}" if match[3] else ""))
    for match in _ISO_DATE.finditer(text):
        found.add(match[0])
    for match in _DOTTED_DATE.finditer(text):
        found.add(f"{match[3]}-{int(match[2]):02}-{int(match[1]):02}")
    for match in _SLASHED_DATE.finditer(text):
        found |= {
            f"{match[3]}-{int(match[1]):02}-{int(match[2]):02}",
            f"{match[3]}-{int(match[2]):02}-{int(match[1]):02}",
        }
    for match in _NUMBER.finditer(text):
        found.update(_readings(match[0]))
    return found


def _readings(figure: str) -> Iterator[str]:
    figure = _SEPARATORS.sub("", figure).replace("−", "-").lstrip("+")
    yield figure.replace(",", "").replace(".", "")  # both separate thousands
    head, mark, tail = figure.rpartition("," if figure.rfind(",") > figure.rfind(".") else ".")
    if mark and tail:
        whole = head.replace(",", "").replace(".", "")
        yield f"{whole}.{tail}"
        yield f"{whole}.{tail.rstrip('0')}".rstrip(".")
