"""Patterns of placeholders: what a program replaces in its messages."""

UNIT = r"(?:[mµn]?s|px|r?em|pt|x|[KMGT]i?B|k?bps|fps|[kMG]?Hz|[kcm]?m|k?g|ml|kWh|°C|%)(?!\w)"
"""What may stand right behind a placeholder, and belongs to it."""

PRINTF = (
    r"%(?:\d{1,2}\$)?[-+#0]{0,3}(?:\d{1,3}|\*)?(?:\.(?:\d{1,3}|\*))?(?:hh|h|ll|l|L|q|j|z|t)?[diouxXeEfFgGaAcCsSpn@]"
    rf"(?:(?={UNIT})|(?![a-zäöüß]))"
    r"|%[-+#0]{0,3}\d{0,2}(?:ll|l)[diux]"
    r"|(?<![\d%])%[sdu](?=[a-zA-Z])"
    r"|(?<![\d%])%[-_0^#EOHL]?[A-Za-z](?![a-zäöüß])"
    r"|(?<!\d)%%(?!\w{1,40}%%)"
)
"""%s, %1$s, %-5.2f, %@, %lld; %% where no figure goes before it: "50 %% done" keeps it beside its figure."""

PERCENT = (
    r"%\(\w[\w.\-]{0,60}\)[-+#0 ]{0,3}\d{0,3}(?:\.\d{1,2})?[diouxXeEfFgGcrsa]?"
    r"|%[{<][\w.\- ]{1,60}[}>](?:[-+#0]?\d{0,3}(?:\.\d{1,2})?[dfs](?!\w))?"
    r"|%%\w{1,40}%%"
    r"|%[A-Za-z_]\w{1,40}%"
    r"|%\d{1,2}(?![\d%$]|\s?\w)"
)
"""%(name)s, %{name}, %<n>d, %%name%%, %NAME%, %1."""

TEMPLATE = (
    r"\{\{[{#^/&!>~]?[^{}\n]{0,120}\}?\}\}"
    r"|\{%[^%\n]{0,200}%\}"
    r"|<%[^%\n]{0,200}%>"
    r"|<\?[^?\n]{0,200}\?>"
    r"|[$#@%]\{[^{}\n]{1,120}\}"
    r"|\$\([\w.]{1,60}\)"
    r"|\[\[[^\[\]\n]{1,60}\]\]"
    r"|\[%[^%\n]{1,60}%\]"
    r"|\[(?:%[sd@]|[a-z]\w{0,30}(?:[_.:-]\w{1,30}){0,4})\]"
    r"|(?<!\w)__\w{1,40}?__(?!\w)"
    r"|(?<![\w$])\$[A-Za-z_]\w{0,40}\$"
    r"|(?<![\w$])\$[A-Za-z_]\w{0,40}(?:->\w{1,40}|\.\w{1,40}(?!\w)){0,3}"
    r"|(?<![\w$])\$\d{1,2}(?![\d.,]|\s?(?:million|billion|bn|m\b|k\b))(?=\W*(?:$|[a-zäöü\"'):;!?]))(?!\W*$)"
)
"""{{x}}, {% tag %}, ${x}, #{x}, [[x]], [%s], __x__, $x$, $x."""

BRACES = (
    r"\{[\w.$@][\w.\-:\[\]$@#'/|]{0,60}(?:![rsa])?(?::[^{}\n]{0,40})?"
    r"(?:, ?(?:number|date|time)(?:, ?[^{}\n]{1,40})?)?\}|\{\}"
    r"|\{\w[\w.-]{0,30}(?: [\w.-]{1,30}){1,4}\}"
)
"""{name}, {0}, {0:C2}, {path!r}, {n:,}, {date, date, short}."""

COLONS = r"(?<![\w:/])@?:[a-z]\w{1,40}(?:\.\w{1,40}){0,4}(?![\w:])"
""":name, @:common.hello."""

PLACEHOLDERS = f"{TEMPLATE}|{PRINTF}|{PERCENT}|{BRACES}|{COLONS}"
