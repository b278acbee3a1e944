"""Texts in formulas: a cell that a formula compares with "Total" must go on saying Total."""

import re
from html import unescape

_LITERAL = re.compile(r'"((?:[^"]|"")*)"')
_FORMULA = re.compile(
    rb"<(?:\w+:)?(?:f|formula1|formula2|formula|calculatedColumnFormula|totalsRowFormula|definedName)(?:\s[^>]*)?>([^<]+)<"
)


def find_literals(formula: str) -> set[str]:
    """The texts that a formula, or the list of what may be entered into a cell, has between quotes."""
    literals = {literal.replace('""', '"') for literal in _LITERAL.findall(formula)}
    return literals | {part.strip() for literal in literals for part in re.split("[,;]", literal)}


def find_all_literals(sheet: bytes) -> set[str]:
    """Those of all formulas of a part of SpreadsheetML."""
    formulas = (
        formula.decode("utf-8", "replace") for formula in _FORMULA.findall(sheet) if b'"' in formula or b"&" in formula
    )
    return {literal for formula in formulas for literal in find_literals(unescape(formula))}
