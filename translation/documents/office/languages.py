"""Marks of a language in office documents: which one a text is in, for spelling and reading aloud."""

_REGIONS = {
    "ar": "SA", "be": "BY", "bn": "BD", "bs": "BA", "ca": "ES", "cs": "CZ", "cy": "GB", "da": "DK", "el": "GR",
    "en": "US", "et": "EE", "eu": "ES", "fa": "IR", "fil": "PH", "ga": "IE", "gl": "ES", "he": "IL", "hi": "IN",
    "hy": "AM", "ja": "JP", "ka": "GE", "kk": "KZ", "ko": "KR", "ms": "MY", "nb": "NO", "nn": "NO", "sl": "SI",
    "sq": "AL", "sr": "RS", "sv": "SE", "sw": "KE", "ta": "IN", "te": "IN", "uk": "UA", "ur": "PK", "vi": "VN",
    "zh": "CN",
}  # fmt: skip
"""Of the languages whose usual region is not named as they are."""


def split_language(tag: str) -> tuple[str, str]:
    """Language and region of a tag, such as "en" and "GB" of "en-GB"; the usual region where it names none."""
    parts = tag.replace("_", "-").split("-")
    language = parts[0].lower()
    region = next((part.upper() for part in parts[1:] if len(part) == 2 and part.isalpha()), None)
    return language, region or _REGIONS.get(language, language.upper() if len(language) == 2 else "")


def full_tag(tag: str) -> str:
    """A language's tag with a region, as office programs write it."""
    language, region = split_language(tag)
    return f"{language}-{region}" if region else language


def is_same_language(tag: str | None, language: str) -> bool:
    """Whether two tags name the same language, wherever it is spoken."""
    return tag is not None and split_language(tag)[0] == split_language(language)[0]
