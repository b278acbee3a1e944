"""Patterns of code and markup in plain text."""

BACKTICKS = (
    r"```[^`]{0,4000}```|``(?!`)(?:[^`\n]|`(?!`)){1,300}``(?:(?<!\s``)|(?!\w))|`[^`\n]{1,300}`(?:(?<!\s`)|(?![\w`]))"
)
"""Backticks between a space and a word end no code: they begin a quotation, as in "`this' and `that'"."""
ENTITY = r"&(?:[A-Za-z]{2,31}|#\d{1,7}|#[xX][0-9A-Fa-f]{1,6});"
TAG = (
    r"</?(?:[A-Za-z][\w.:-]{0,40}|\d{1,3})(?:\s[^<>\n]{0,400})?\s?/?>|<!--[^\n]{0,400}?-->"
    r"|\[/?(?:b|i|u|s|url|img|quote|code|color|size|list|center)(?:=[^\]\n]{1,100})?\]"
)
_OWNER = r"(?<![\w.])(?:[A-Za-z_]\w{0,60}(?:\.|::|->)){0,6}"
_QUOTED = r"\"[^\"\n]{0,80}\"|'[^'\n]{0,80}'"
CALL = (
    rf"{_OWNER}[A-Za-z_]\w{{0,60}}\(\)"
    r"|(?<![\w.>-])[a-z_]\w{0,60}(?:->[A-Za-z_]\w{0,60}){1,4}(?![\w>-])"
    rf"|{_OWNER}[A-Za-z_]\w{{1,60}}\((?:{_QUOTED}|[\w.]{{0,20}}\d[\w., ]{{0,30}}|[^\W\d]\w{{0,20}}_\w{{1,20}})\)"
    r"|(?<!\w)[a-z]\([a-z]\)"
)
SCOPED = r"(?<!\w)\w{1,60}(?:::\w{1,60}){1,6}(?:<[\w:,* ]{0,80}>)?"
SNAKE = (
    r"(?<![\w.-])(?:\w{1,60}\.){0,4}(?:[^\W_]\w{0,60}_\w{0,60}[^\W_]|_{1,2}[^\W_]\w{0,60})"
    r"(?:\.\w{1,60}){0,4}(?:\[[\w\"']{0,20}\])?(?!\w)"
)
DOTTED = (
    r"(?<![\w.@])(?:[A-Za-z_]\w{1,60}\.){2,8}[A-Za-z_]\w{1,60}(?!\w)"
    r"|(?<=\s)[A-Z][a-z]\w{1,60}\.[a-z]\w{1,60}(?!\w)"
    r"|(?<![\w.@])(?:[a-z]\w{0,60}\.)[a-z]{1,20}[A-Z]\w{0,60}"
    r"|(?<=[\"'„“‚])[a-z]\w{0,60}\.[a-z]\w{0,60}(?=[\"'“”’])"
)
OPTION = (
    r"(?<![\w-])--[A-Za-z][\w-]{0,60}(?:[= ]?<[\w-]{1,30}>|=[^\s,;]{1,80})?|(?<!\S)-[A-Za-z](?![\w-])"
    r"|(?<=[\"'(\[/])-{1,2}[A-Za-z][\w-]{0,40}|(?<!\S)-[A-Za-z]\w{0,20}(?:-\w{1,20}){1,6}(?![\w-])"
    r"|(?<!\w)\{-?\w[\w-]{0,30}(?:\|-?\w[\w-]{0,30}){1,8}\}"
)
ASSIGNMENT = rf"(?<!\S)[A-Za-z_]\w{{0,40}}=(?:{_QUOTED}|[^\s,;\"']{{1,80}})"
_KEY = r"(?:[A-Z]\w{0,12}|[a-z](?!\w)|F?\d{1,2}|[+\-/#])"
KEYS = (
    rf"(?<!\w)(?:Ctrl|Strg|Control|Steuerung|AltGr|Alt|Shift|Umschalt|Umsch|Cmd|Command|Option|Win(?:dows)?|Super"
    rf"|Meta|Fn|CTRL|STRG|ALT|SHIFT)"
    rf"(?:\s?\+\s?{_KEY}|-(?:[A-Z](?![a-z])|F\d{{1,2}}(?!\w)|(?:Del|Entf|Tab|Esc|Enter|Shift"
    rf"|Alt)(?!\w))){{1,4}}(?!\w)"
)
SIGN_KEYS = rf"[⌘⌥⇧⌃](?:\s?\+?\s?(?:[⌘⌥⇧⌃]|{_KEY})){{1,4}}(?!\w)"
CAMEL = (
    r"(?<!\w)(?:[a-z]{1,20}[A-Z]\w{1,40}|[A-Z][a-zäöü]{1,20}(?:[A-Z][a-zäöü]{0,20}){1,6}"
    r"|[A-Z]{2,6}[a-z]{1,20}[A-Z]\w{0,20})"
    r"(?<!Innen)(?!\w)"
    r"(?:[™®©℠]|['’]s(?=[.,;:!?)]|$|\s(?:in|at|on|and|or|is|was|has|for|with|to|from|near|by|of|und|oder|ist"
    r"|war)\b))?"
)
ESCAPE = r"\\(?:[nrt0](?![A-Za-z]{3})|u[0-9A-Fa-f]{4}|x[0-9A-Fa-f]{2})"

UTILITY = r"(?<![\w-])(?:[a-z]{2,10}:){0,3}[a-z]{1,20}(?:-[a-z]{1,20}){1,4}-\d{1,4}(?!\w)"
"""A class of a style sheet: text-amber-700, dark:text-amber-300."""
FOLDER = (
    r"(?<![\w/])(?:src|lib|libs|packages|apps?|docs|tests?|dist|build|node_modules|public|assets|bin|etc|usr|var|opt|components"
    r"|modules|vendor|scripts|include)/[\w@.-]{1,60}(?<!\.)(?:/[\w@.-]{1,60}(?<!\.)){0,12}/?"
)
MEDIA_TYPE = (
    r"(?<![\w/])(?:application|text|image|audio|video|font|multipart)/(?!(?:image|audio|video|text)s?\b)"
    r"[a-z][\w.+-]{1,60}\w"
)
INDEXED = r"(?<![\w.])[a-z]\w{0,60}(?:\.\w{1,60}){0,8}\[\d{1,5}\](?:\.\w{1,60}|\[\d{1,5}\]){1,8}"

HEXADECIMAL = (
    r"(?<![\w-])(?=[0-9a-f]{0,20}\d)(?=[0-9a-f]{0,20}[a-f])[0-9a-f]{12,128}(?![\w-])"
    r"|(?<![\w-])(?=[0-9A-F]{0,20}\d)(?=[0-9A-F]{0,20}[A-F])[0-9A-F]{12,128}(?![\w-])"
)
"""A fingerprint or a digest."""

CODE = "|".join(
    (
        HEXADECIMAL,
        CALL,
        SCOPED,
        INDEXED,
        SNAKE,
        DOTTED,
        OPTION,
        ASSIGNMENT,
        KEYS,
        ESCAPE,
        UTILITY,
        FOLDER,
        MEDIA_TYPE,
    )
)

MEMBER = r"\"[\w.$-]{1,60}\":\s?(?:true|false|null|-?\d{1,20}(?:\.\d{1,20})?|\"[^\"\n]{0,80}\")"
LEVEL = (
    r"\[(?:INFO|WARN|WARNING|ERROR|DEBUG|TRACE|FATAL|NOTICE|CRITICAL|OK|FAIL|FAILED|info|warn|warning|error|debug|trace|fatal"
    r"|notice|crit|alert|emerg)\]"
)
HEADER = r"(?<![\w-])(?:[A-Z][a-z]{1,20}-){1,3}[A-Z][a-z]{1,20}:\s[a-z]{2,20}/[\w.+-]{1,60}\w"
EXCEPTION = rf"(?<![\w.])(?:\w{{1,40}}\.){{0,6}}[A-Z]\w{{0,40}}(?:Error|Exception):\s(?:{_QUOTED})"
PROMPT = r"(?<!\S)\w{1,30}@[\w.-]{1,60}:[~/][\w/.~-]{0,80}[$#%](?!\w)|(?<!\w)-?(?:bash|zsh|sh|fish): [\w./-]{1,60}:"

LINES = "|".join((MEMBER, LEVEL, HEADER, EXCEPTION, PROMPT))
"""Of data, logs and shells: with spaces in them."""
