"""The normalization "nfc" of text before it is split into pieces: what SentencePiece has not by name."""

import unicodedata

_SPACES = (0x09, 0x0A, 0x0D, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F, 0x205F, 0x3000)

_UNSEEN = (
    *range(0x01, 0x09),
    *range(0x0B, 0x0D),
    *range(0x0E, 0x20),
    *range(0x7F, 0x85),
    *range(0x86, 0xA0),
    0xAD,
    0x200B,
    0x200E,
    0x200F,
    *range(0x202A, 0x202F),
    0x2060,
    *range(0x2066, 0x206A),
    0xFEFF,
)
"""Controls, the soft hyphen, spaces without width and marks of direction. The joiner of emoji, U+200D, is not one."""

_LIGATURES = {0xFB00: "ff", 0xFB01: "fi", 0xFB02: "fl", 0xFB03: "ffi", 0xFB04: "ffl"}

_LAST_COMPOSED = 0x2000
"""Compositions of the blocks below are resolved: Latin, Greek and Cyrillic are among them."""


def nfc_rules() -> dict[str, str]:
    """What the normalization "nfc" replaces: decomposed letters by composed ones, any space by a plain one, ligatures
    and full-width ASCII by their letters, and what nobody sees by nothing. Signs stay as they are: NFKC, which
    SentencePiece has by default, makes m2 of m², and three full stops of an ellipsis."""
    rules = dict.fromkeys(map(chr, _SPACES), " ") | dict.fromkeys(map(chr, _UNSEEN), "")
    rules |= {chr(ligature): letters for ligature, letters in _LIGATURES.items()}
    rules |= {chr(wide): chr(wide - 0xFEE0) for wide in range(0xFF01, 0xFF5F)}
    for code_point in range(0xC0, _LAST_COMPOSED):
        letter = chr(code_point)
        composed = unicodedata.normalize("NFC", letter)
        decomposed = unicodedata.normalize("NFD", letter)
        if composed != letter:
            rules[letter] = composed
        elif len(decomposed) > 1:
            rules[decomposed] = letter
            first = unicodedata.normalize("NFC", decomposed[:2])
            if len(decomposed) == 3 and len(first) == 1:
                rules[first + decomposed[2]] = letter
    return rules


def write_rules(rules: dict[str, str]) -> str:
    """Rules as SentencePiece's normalization_rule_tsv: code points in hexadecimal, a tab between the sides."""

    def code_points(text: str) -> str:
        return " ".join(f"{ord(letter):X}" for letter in text)

    return "".join(f"{code_points(old)}\t{code_points(new)}\n" for old, new in sorted(rules.items()))
