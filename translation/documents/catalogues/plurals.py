"""Which plural forms a language has: as gettext's formula, and as CLDR's categories."""

from functools import cache
from typing import NamedTuple

from dragoman.translation.languages import primary_subtag


class PluralForms(NamedTuple):
    """Of a language.

    formula:    gettext's, which maps a number n to the index of a form.
    categories: CLDR's name of each of gettext's forms.
    """

    formula: str
    categories: tuple[str, ...]

    @property
    def header(self) -> str:
        """The value of gettext's header Plural-Forms."""
        return f"nplurals={len(self.categories)}; plural={self.formula};"


_TEENS = "n%10>=2 && n%10<=4 && (n%100<12 || n%100>14) ? 1 : 2"
_TWO = ("one", "other")
_SLAVIC = ("one", "few", "many")
_FEW = ("one", "few", "other")

_FORMS = (
    ("bo dz id ja jv km ko lo ms my th vi wo yo zh", PluralForms("0", ("other",))),
    ("ak am bn fa fil fr gu hi hy kn kab ln mg nso oc pa tg ti tr uz wa zu", PluralForms("(n > 1)", _TWO)),
    ("be bs hr ru sr uk", PluralForms(f"(n%10==1 && n%100!=11 ? 0 : {_TEENS})", _SLAVIC)),
    ("csb pl", PluralForms(f"(n==1 ? 0 : {_TEENS})", _SLAVIC)),
    ("cs sk", PluralForms("(n==1 ? 0 : n>=2 && n<=4 ? 1 : 2)", _FEW)),
    ("lt", PluralForms("(n%10==1 && n%100!=11 ? 0 : n%10>=2 && (n%100<10 || n%100>=20) ? 1 : 2)", _FEW)),
    ("lv", PluralForms("(n%10==1 && n%100!=11 ? 0 : n != 0 ? 1 : 2)", (*_TWO, "zero"))),
    ("ro", PluralForms("(n==1 ? 0 : n==0 || (n%100 > 0 && n%100 < 20) ? 1 : 2)", _FEW)),
    ("sl", PluralForms("(n%100==1 ? 0 : n%100==2 ? 1 : n%100==3 || n%100==4 ? 2 : 3)", ("one", "two", "few", "other"))),
    ("ga", PluralForms("(n==1 ? 0 : n==2 ? 1 : n<7 ? 2 : n<11 ? 3 : 4)", ("one", "two", "few", "many", "other"))),
    ("cy", PluralForms("(n==1 ? 0 : n==2 ? 1 : n!=8 && n!=11 ? 2 : 3)", ("one", "two", "other", "many"))),
    (
        "mt",
        PluralForms(
            "(n==1 ? 0 : n==0 || (n%100>1 && n%100<11) ? 1 : n%100>10 && n%100<20 ? 2 : 3)",
            ("one", "few", "many", "other"),
        ),
    ),
    ("is mk", PluralForms("(n%10!=1 || n%100==11)", _TWO)),
    (
        "ar",
        PluralForms(
            "(n==0 ? 0 : n==1 ? 1 : n==2 ? 2 : n%100>=3 && n%100<=10 ? 3 : n%100>=11 ? 4 : 5)",
            ("zero", "one", "two", "few", "many", "other"),
        ),
    ),
)  # fmt: skip

_DEFAULT = PluralForms("(n != 1)", _TWO)


@cache
def plural_forms(language: str) -> PluralForms:
    """Those of a language, such as "de"; an unknown one gets those of English."""
    if language.lower().replace("_", "-") == "pt-br":
        return PluralForms("(n > 1)", _TWO)
    primary = primary_subtag(language)
    return next((forms for languages, forms in _FORMS if primary in languages.split()), _DEFAULT)
