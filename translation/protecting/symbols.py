"""Patterns of emoji, symbols and marks, which have no place in a sentence's grammar."""

_BASE = (
    "\U0001f000-\U0001faff\u2600-\u27bf\u2b00-\u2bff\u2300-\u23ff\u25a0-\u25ff\u2190-\u21ff\u2900-\u297f\u3030\u303d\u3297\u3299"
    "\u2460-\u24ff\u2500-\u259f\u2200-\u2203\u2205-\u2211\u221a-\u22ff\u2a00-\u2aff\u2c60\ue000-\uf8ff\U000f0000-\U0010fffd\ufffd"
)
_EMOJI = (
    r"(?:[\U0001f1e6-\U0001f1ff]{2}|[0-9#*]\ufe0f?\u20e3"
    rf"|[©®™ℹ‼⁉{_BASE}][\ufe0e\ufe0f]?[\U0001f3fb-\U0001f3ff]?[\U000e0020-\U000e007f]{{0,8}})"
)
EMOJI = rf"(?:{_EMOJI}(?:\u200d{_EMOJI})*)+(?: (?:{_EMOJI}(?:\u200d{_EMOJI})*)+){{0,8}}"
"""A run of emoji and other symbols with all their joiners, skin tones and variation selectors."""

SMILEY = (
    r"(?<![\w:;])(?:[:;=8xX][-'^o]?[)(\]\[DPpOo3|/\\*$]{1,3}(?![\w)])|<3+(?!\d)|\^_*\^|[xX]D+(?!\w)|¯\\_\(ツ\)_/¯"
    r"|[oO]_[oO](?!\w))"
)

CHECKBOX = r"(?:(?<!\S)[-*+] )?\[[ xX✓✔]?\]"
ITEM = (
    r"(?<![^\n])[^\S\n]{0,40}(?:(?:[•◦‣⁃∙●○▪▫■□►▸➤›»·–—*+-]|>(?:\s?>){0,5}|#{1,6})(?=\s)|[-=~_*#]{3,80}(?=\s|$)"
    r"|[(\[]?\d{1,3}(?:\.\d{1,3}){0,4}[)\]](?=\s)|[(\[]?[a-zA-Z][)\]](?=\s)"
    r"|\d{1,3}(?:\.\d{1,3}){0,4}\.(?=\s[^\W\d_a-zäöüß])(?!\s(?:Jan|Feb|Mär|Apr|Mai|Jun|Jul|Aug|Sep|Okt|Nov|Dez|Jahrhundert)))"
)
"""What begins a list's item or a quoted line."""

_REPLY = r"(?<=[.!?…][\"”“»’'] )(?:--?|[–—])(?= [\"„“«»‘‚'])"
"""The dash between what two people say."""

SEPARATOR = rf"{_REPLY}|" r"(?<=\s)(?:>(?=\s[\"„“']?[A-ZÄÖÜ])|\||[-=]>|<[-=]|»|›|·|•|\\|~|->)(?=\s)"
TRADEMARK = r"(?<=\w)[™®©℠]"

SYMBOLS = "|".join((SMILEY, EMOJI, SEPARATOR))
