"""Patterns of code with spaces in it: commands, queries, data, expressions, regular expressions, formulas.

Words are all that a command has, as in "sudo apt install ffmpeg": it is known by the program's name, and ends where its
grammar does. Expressions are known by an operator between what stands like a variable.
"""

import re
from collections.abc import Iterator, Sequence
from functools import cache

from dragoman.translation.protecting.code import LINES

_QUOTED = r"(?:\"[^\"\n]{0,120}\"|'[^'\n]{0,120}'|“[^”\n]{0,120}”)"
_END = r"(?=[.,;:!?)\]\"'”’]*(?:\s|$))"

# Commands
_SIGNED = (
    r"(?:[\w.~/@:+=$*{}?#%^,-]{0,60}(?:[/~@=$*{}_^]|[\w]\.[\w]|:\d|\d)[\w./~@:+=$*{}?#%^,-]{0,60}(?<![.,:?])"
    r"|\.{1,2}(?=\s|$))"
)
"""An operand that is no word."""

_OPTION = rf"(?:-{{1,2}}[A-Za-z\d][\w-]{{0,40}}(?:=(?:{_QUOTED}|[^\s\"']{{1,80}}(?<![.,;:!?])))?|\+[a-z]{{1,3}}(?!\w))"
_REST = rf"(?:\s(?:{_OPTION}|{_QUOTED}|{_SIGNED}))"
_NO_WORD = (
    r"(?!(?:and|or|to|in|on|at|for|from|first|again|before|after|then|with|if|is|was|does|did|will|can|but|as|once"
    r"|now"
    r"|when|which|that|instead|it|und|oder|im|auf|aus|ein|mit|zu|von|für|um|nach|vor|bei|dann|erst|ist|war|geht|hat"
    r"|hilft|wird|kann|nicht|noch|startet|funktioniert|ausführen|eingeben|aufrufen|starten|benutzen|laufen|klappt)\b)"
)
_OPERAND = rf"\s{_NO_WORD}[a-z][\w.@/+-]{{0,60}}(?<![.,])"
_PACKAGE = rf"(?:\s{_OPTION})*(?:{_OPERAND})?"
_COMMAND = (
    r"(?:sudo\s(?:-\w\s)?)?(?:"
    rf"git\s(?:(?:push|pull|fetch)(?:\s{_OPTION})*(?:\s(?:origin|upstream)(?:\s{_NO_WORD}[\w/.-]{{1,40}}(?<!\.))?)?"
    rf"|(?:checkout|switch|merge|rebase|cherry-pick|revert)(?:\s{_OPTION})*{_OPERAND}"
    r"|stash(?:\s(?:pop|list|apply|drop))?|remote\s(?:add|remove|set-url)\s\w{1,60}|submodule\s\w{1,60}|config"
    r"|commit|status|log|diff|add|init|clone"
    r"|bisect|blame|branch|clean|mv|reset|restore|rm|show|tag)"
    r"|(?:gh|glab)\s(?:auth|pr|repo|issue|run|workflow|release|gist|mr|ci)\s[a-z]{2,20}(?!\w)"
    rf"|(?:npm|pnpm|yarn|bun)\s(?:(?:run|exec)\s[\w:.-]{{1,60}}(?<!\.)|(?:install|add|remove|uninstall"
    rf"|i)(?!\w){_PACKAGE}"
    r"|(?:start|test|ci|build|publish|init|update|audit|login)(?!\w)(?:\sfix)?)"
    rf"|npx(?:\s{_OPTION})*{_OPERAND}"
    rf"|(?:apt|apt-get|dnf|yum|brew|snap|choco|winget|flatpak|conda|gem|pip3?|pipx|cargo|poetry|uv|composer|pacman"
    rf"|zypper|apk)"
    rf"\s(?:(?:install|add|remove|uninstall|reinstall|search|show|require)(?!\w){_PACKAGE}"
    rf"|(?:update|upgrade|autoremove|build|run|test|check|clippy|fmt|publish|list|freeze|sync"
    rf"|lock)(?!\w)(?!\s\w{{1,60}}:))"
    rf"|docker(?:[ -]compose)?\s(?:(?:run|exec|start|stop|rm|pull|push|logs|restart"
    rf"|build)(?!\w){_REST}*(?:{_OPERAND})?|(?:up|down|ps|images|build|login|info)(?!\w))"
    rf"|(?:kubectl|helm|terraform|ansible|gh|aws|gcloud|az)\s(?:get|apply|delete|describe|logs|exec|install|upgrade"
    rf"|init|plan|destroy|pr|s3)(?!\w){_PACKAGE}"
    rf"|systemctl\s(?:--user\s)?(?:start|stop|restart|status|enable|disable|reload)(?!\w){_PACKAGE}"
    rf"|systemctl\sdaemon-reload"
    r"|go\s(?:mod\stidy|build|test|get)(?=\s[./-]|\s?[.,;:!?]*$)|make\s(?:install|clean|all|check"
    r"|test)(?!\w)(?=[\s.,;:!?]*(?:$|[^\sa-z]|and\b|und\b|first\b))"
    rf"|(?:dotnet|mvn|gradle|flutter|rails|php artisan|manage\.py|ng|vue)\s(?:new|build|run|test|clean|package"
    rf"|migrate|serve|doctor|generate)(?!\w)"
    r"|(?:python3?|ruby|perl|php|bash|sh|zsh|gcc|g\+\+|clang|pytest|ffmpeg|rsync|ssh|scp|curl|wget|tar|unzip|ls|cd"
    r"|mkdir|rmdir|rm|cp|mv|chmod"
    r"|chown|grep|sed|awk|ping|traceroute|killall|pkill|ps|cat|ln|nano|vim|nslookup|dig|netstat|ifconfig|ipconfig"
    r"|journalctl|crontab|mysql|psql"
    rf"|sqlite3|redis-cli|openssl|nmap|df|uniq|wc|xargs|adb|dism|sfc|chkdsk|robocopy|taskkill)(?=\s(?:{_OPTION}"
    rf"|{_QUOTED}|{_SIGNED})(?:\s|[.,;:!?)]*(?:$|\s)))"
    r"|(?:node|java|du|find|sort|touch|tail|head|kill|source|convert|tee)"
    r"(?=\s(?:-{1,2}[A-Za-z\d]|[\w~.]{0,60}/|[\w-]{1,60}\.[a-z]{2,4}(?:\s|$)))"
    r"|export(?=\s\w{1,60}=)|echo(?=\s(?:[\"'$]|-[ne]\s))"
    r")"
)
_AFTER_PIPE = (
    rf"\s?(?:\|\|?|&&|;|>>?|<|2>&1)\s?(?:{_COMMAND}|[a-z][\w-]{{1,20}}(?:\s{_NO_WORD}[\w.-]{{1,40}}(?<!\.))?"
    rf"|[\w./~-]{{1,60}}(?<!\.))"
)
COMMAND = rf"(?<![\w./`-])(?:\$ )?{_COMMAND}{_REST}*(?:{_AFTER_PIPE}{_REST}*){{0,4}}"

# Queries
_COLUMN = r"(?:\*|\w{1,60}(?:\.[\w{0,60}]{1,60})?(?:\([^()\n]{0,60}\))?(?:\s(?:AS|as)\s\w{1,60})?)"
_VALUE = (
    rf"(?:{_QUOTED}|-?\d[\d.]*|\w{{1,60}}(?:\.\w{{1,60}})?(?:\([^()\n]{{0,60}}\))?|\?|\([^()\n]{{0,120}}\)"
    rf"|:\w{{1,60}})"
)
_TEST = (
    rf"(?:NOT\s)?\w{{1,60}}(?:\.\w{{1,60}})?(?:\([^()\n]{{0,60}}\))?\s?(?:(?:=|<>|!=|[<>]=?|(?:NOT\s)?LIKE"
    rf"|(?:NOT\s)?IN|BETWEEN)\s?{_VALUE}(?:\sAND\s\d\S{{0,60}})?|IS\s(?:NOT\s)?NULL)"
)
_WHERE = rf"(?:\sWHERE\s{_TEST}(?:\s(?:AND|OR)\s{_TEST}){{0,6}})?"
QUERY = (
    rf"(?<!\w)(?:SELECT\s(?:DISTINCT\s)?{_COLUMN}(?:,\s?{_COLUMN}){{0,12}}\sFROM\s[\w.]{{1,60}}(?:\s(?:(?:LEFT"
    rf"|INNER|RIGHT|OUTER|FULL)\s)*JOIN\s\w{{1,60}}\sON\s{_TEST}){{0,4}}"
    rf"{_WHERE}(?:\sGROUP\sBY\s{_COLUMN}(?:,\s?{_COLUMN})*)?(?:\sORDER\sBY\s\w{{1,60}}(?:\s(?:ASC"
    rf"|DESC))?)?(?:\sLIMIT\s\d+)?"
    rf"|INSERT\sINTO\s\w{{1,60}}\s?(?:\([^()\n]{{1,200}}\)\s?)?(?:VALUES\s?\([^()\n]{{1,200}}\))?"
    rf"|UPDATE\s\w{{1,60}}\sSET\s{_TEST}(?:,\s?{_TEST})*{_WHERE}"
    rf"|DELETE\sFROM\s\w{{1,60}}{_WHERE}|(?:DROP|CREATE|ALTER|TRUNCATE)\s(?:TABLE|DATABASE|INDEX"
    rf"|VIEW)\s(?:IF\s(?:NOT\s)?EXISTS\s)?\w{{1,60}}(?:\s?\([^()\n]{{1,200}}\))?);?"
)

# Data and style sheets
_FLAT = r"[^{}\[\]\n]{0,300}"
_NESTED = rf"{_FLAT}(?:[{{\[]{_FLAT}(?:[{{\[]{_FLAT}[}}\]]{_FLAT}){{0,8}}[}}\]]{_FLAT}){{0,8}}"
DATA = (
    rf"\{{\s?[\"'][^\"'\n]{{1,60}}[\"']\s?:{_NESTED}\}}|\[\s?(?:\{{\s?\"|\"[^\"\n]{{0,60}}\"\s?,"
    rf"|'[^'\n]{{0,60}}'\s?,){_NESTED}\]"
)
_PROPERTY = r"(?:--)?[a-z]{1,60}(?:-[a-z]{1,60}){0,3}:\s?[^{};:\n]{1,60}"
STYLE = (
    rf"(?<![\w.#])[.#@]?[a-zA-Z][\w.#:>-]{{0,60}}\s?\{{\s?{_PROPERTY}(?:;\s?{_PROPERTY}){{0,8}};?\s?\}}"
    r"|(?<![\w-])(?:[a-z]{1,60}(?:-[a-z]{1,60}){1,3}|color|background|margin|padding|width|height|display|position"
    r"|border|opacity|float|overflow|content):"
    r"\s?(?:#[0-9A-Fa-f]{3,8}|-?[\d.]{1,60}(?:(?:px|r?em|%|pt|vh|vw|s|ms|fr)(?!\w)|(?=;))|none|block|flex|grid"
    r"|inline(?:-block)?|bold|italic|center|left|right|auto|hidden"
    r"|absolute|relative|fixed|red|blue|green|black|white|transparent)(?![\w-])(?:\s-?[\d.]{1,60}(?:px|r?em"
    r"|%)?(?!\w)){0,3}(?:\s?!important)?;?"
)

# Expressions
_WITHIN = r"[^()\n]"
_INSIDE = rf"{_WITHIN}{{0,120}}"
_ARGUMENTS = rf"\((?:{_INSIDE}\({_INSIDE}(?:\({_INSIDE}\){_INSIDE}){{0,3}}\)){{0,4}}{_INSIDE}\)"
_INDEX = r"\[[^\[\]\n\s]{1,40}\]"
_CONSTANT = r"(?:null|nil|None|true|false|True|False|NULL|undefined|NaN)(?!\w)"
_NAME = r"[A-Za-z_$][\w$]{0,60}(?:(?:\.|->|::)[A-Za-z_]\w{0,60}){0,6}"
_CALLED = rf"{_NAME}{_ARGUMENTS}(?:(?:\.|->|::)\w{{1,60}}(?:{_ARGUMENTS})?|{_INDEX}){{0,8}}"
_VARIABLE = (
    r"(?<!\w)(?!I(?!\w)|[aA]\s[a-zäöüß]{2})(?:[a-zA-Zα-ωΑ-Ω]|\d+(?:\.\d+)?[a-z]{0,2})(?:[\^_]\{?[\w{1,60}-]{1,8}\}?"
    r"|[²³]){0,2}(?![\w'’])"
)
_LETTER = (
    r"(?<!\w)(?!I(?!\w)|[aA]\s(?:-|[a-zäöüß]{2}))[a-zA-Zα-ωΑ-Ω](?:[\^_]\{?[\w{1,60}-]{1,8}\}?|[²³]){0,2}(?![\w'’])"
)
_TERM = rf"(?:{_CALLED}|{_CONSTANT}|{_QUOTED}|{_NAME}{_INDEX}|{_VARIABLE})"
_ANY = rf"(?:{_TERM}|-?\d+(?:[.,]\d+)?(?!\w)|{_NAME})"
_COMPARED = r"(?:={2,3}|!={1,2}|&&|\|\||[-+*/%|&]=|=>|:=|<=>|<<=?|>>=?|\?\?)"
_WEAK = r"(?:[-+*/%<>·×]|[<>≤≥≠≈]=?)"
_DECLARED = (
    r"(?:(?:let|const|var|int|float|double|char|bool|boolean|string|String|return|val|auto|long|void|def|function"
    r"|fn|func|public|private|static|final|new)\s){0,3}"
)
EXPRESSION = (
    rf"(?<![\w.$])(?=[^\n]{{0,100}}[=&|?>]){_DECLARED}(?:(?:{_TERM}|\d+)\s?{_COMPARED}\s?{_ANY}"
    rf"|{_ANY}\s?{_COMPARED}\s?(?:{_TERM}"
    rf"|-?\d+(?!\w))|{_NAME}{_COMPARED}{_NAME})(?:\s?(?:{_COMPARED}|{_WEAK})\s?{_ANY}){{0,8}};?"
    rf"|(?<![\w.$-])(?=[^=\n]{{0,150}}=){_DECLARED}(?:{_TERM}(?:\s?{_WEAK}\s?{_TERM}){{0,8}}"
    rf"|[a-z][\w.-]{{0,40}})(?:\s=\s|=)(?:{_TERM}"
    rf"|-?\d+(?:[.,]\d+)?(?!\w|\s?[€$%]|[-–:/.,]\d))(?:\s?{_WEAK}\s?(?:{_TERM}|\d+(?:[.,]\d+)?)){{0,8}};?"
    rf"|(?<![\w.$-])[a-z]\w{{0,60}}(?:\.\w{{1,60}}){{0,4}}\s=\s(?:{_QUOTED}|[\w.]{{1,60}}(?<!\.))"
    rf"|(?<![\w.$€-])(?:{_LETTER}\s[-+*<>]\s{_VARIABLE}|\d+\s[-+*<>]\s{_LETTER})(?:\s[-+*/<>]\s{_VARIABLE}){{0,8}}"
    rf"|(?<![\w.])(?:if|while|for|switch|catch|elseif)\s?\((?=[^\n]{{0,100}}(?:[=<>!;&|]|\bin\b|[eE]xception"
    rf"|\bof\b)){_WITHIN}{{1,120}}\)(?:\s?\{{[^{{}}\n]{{0,100}}\}}|\s?(?:return|break|continue"
    rf"|throw)[^;\n]{{0,40}};|:)?"
    rf"|(?<![\w.])(?:let|const|var)\s\w{{1,60}}(?=;)|(?<![\w.])(?:int|void|def|function|fn|func|public|static|new"
    rf"|return|await|async)\s{_CALLED};?"
    r"|(?<![\w.+-])(?:\+\+|--)?[a-z_]\w{0,30}(?:\+\+|--)(?!\w)|(?<![\w.])(?:\+\+|--)[a-z](?!\w)"
    r"|(?<!\S)(?:import\s(?:\{[^{}\n]{1,80}\}|\w{1,60})\sfrom\s['\"][^'\"\n]{1,80}['\"];?"
    r"|from\s[\w.]{1,60}\simport\s[\w{0,60}]{1,60}(?:,\s?\w{1,60})*|import\s[a-z]\w{0,60}\sas\s\w{1,60}"
    r"|#include\s?[<\"][\w./]{1,60}[>\"]|using\s(?:namespace\s)?\w{1,60}(?:\.\w{1,60})*;)"
)
CALLED = (
    rf"(?<![\w.])(?:[A-Za-z_$]\w{{0,60}}(?:\.|->|::)){{1,6}}[A-Za-z_]\w{{0,60}}{_ARGUMENTS}(?:(?:\.|->"
    rf"|::)\w{{1,60}}(?:{_ARGUMENTS})?|{_INDEX}){{0,8}}"
    rf"|(?<![\w.])[A-Za-z_]\w{{0,60}}\((?:\s?(?:&?\w{{1,60}}|{_QUOTED}"
    rf"|\w{{1,60}}={_ANY})\s?(?:,\s?(?:\w{{1,60}}\s?=\s?)?(?:[&*]?[\w.]{{1,60}}"
    rf"|{_QUOTED})\s?){{1,8}})\)(?:\.\w{{1,60}}(?:{_ARGUMENTS})?){{0,8}}"
    rf"|(?<![\w.])[a-z]\w{{0,60}}(?:[A-Z_]\w{{0,60}})?\(\s?(?:{_QUOTED}"
    rf"|[^()\s]{{0,60}}[\d=_.\[\]{{}}$*&<>][^()\s]{{0,60}}"
    rf"|{_INSIDE}\w\({_INSIDE}\){_INSIDE})\s?\)(?:\.\w{{1,60}}(?:{_ARGUMENTS})?){{0,8}}"
    rf"|(?<![\w.])[a-z]{{1,60}}[A-Z_]\w{{0,60}}{_ARGUMENTS}(?:\.\w{{1,60}}(?:{_ARGUMENTS})?){{0,8}}"
    r"|(?<![\w.])[a-z]\w{0,60}\((?:[abcfgijkmpqtuvwxyz]|self|this|void|null|true|false|args|str|int|key|value|item"
    r"|index)\)(?:\.\w{1,60}\(\))?"
    rf"|(?<![\w.])(?:[a-z]\w{{0,20}}\[(?:[a-z]\w{{0,10}}(?:\s?[-+]\s?\d+)?|-?\d*:-?\d*"
    rf"|['\"][^'\"\n]{{1,40}}['\"])\]|(?:[a-z]{{1,3}}|args?|argv|array|list|data|items?|rows?|result|values?|nums?"
    rf"|matrix|sys\.argv)\[-?\d{{1,4}}\])(?:\[[^\[\]\s]{{1,20}}\])?(?:\.\w{{1,60}}(?:{_ARGUMENTS})?)*"
    r"|(?<![\w.<])[A-Z]\w{1,40}<[A-Z]\w{0,40}(?:\[\]|<\w{1,60}>)?(?:,\s?[A-Z]\w{0,40}(?:<\w{1,60}>)?){0,3}>(?!\w)"
)

# Regular expressions, file patterns, formulas
_UNSPACED = r"[^\s`“”„«»]"
EXPRESSIONS = (
    rf"(?<!\S)[\"'(]?(?={_UNSPACED}{{0,80}}(?:\\[dwsDWSbB](?![a-z])"
    rf"|\[\^?[\w-]{{0,20}}\w-\w[\w-]{{0,20}}\](?:[*+?{{$]|\[|\\|\()|\.[*+]\??(?:[\\)$/.]|\w)))"
    rf"{_UNSPACED}{{1,160}}"
    r"|(?<![\w/])/\^[^\s]{1,100}/[gimsuy]{0,5}(?!\w)|(?<!\S)\^\S{1,60}\$(?!\w)"
    r"|(?<![\w/])s/[^\s/]{1,60}/[^\s/]{0,60}/g?(?!\w)"
)
GLOB = (
    r"(?<![\w{0,60}/])(?:[\w.-]{1,60}/){0,12}(?:\*\*/)(?:[\w.*{},?-]{1,60}/){0,12}[\w.*{},?-]{0,60}\w"
    r"|(?<![\w{0,60}])[\w./~-]{1,80}[/._-]\*(?:\.\w{1,10})?(?![\w{0,60}])"
    r"|(?<![\w*?])[\w-]{1,40}[*?]{1,4}[\w-]{0,40}\.(?:\w{1,8}|\*)(?!\w)"
    r"|(?<![\w{0,60}])\*[\w-]{0,40}\.[\w{0,60}]{1,8}(?!\w)|(?<!\S)\*\.\{\w{1,60}(?:,\w{1,60})+\}"
)
FORMULA = (
    r"(?<![\w$\\])\$(?=[^\s$])(?!\d[\d.,-]*\s)(?=[^$\n]{0,120}[\\^_=+<>*/{-])[^$\n]{1,200}(?<=[^\s$])\$(?![\w$])"
    r"|\$\$[^$\n]{1,300}\$\$|\\\([^\n]{1,200}?\\\)|\\\[[^\n]{1,200}?\\\]"
    r"|(?<![\w$])\$[a-zA-Z](?:\([a-z]\))?\$(?!\w)"
    r"|\\(?!(?:n|r|t|u|x)[A-Z0-9])[a-zA-Z]{2,20}\*?(?:\[[^\[\]\n]{0,60}\])?(?:\{(?:[^{}\n]{0,120}"
    r"|[^{}\n]{0,60}\{[^{}\n]{0,60}\}[^{}\n]{0,60})\}){1,4}"
    r"|(?<![\w\\:])\\(?:documentclass|newpage|item|ldots|alpha|beta|gamma|delta|lambda|pi|sigma|infty|sqrt|frac|sum"
    r"|int|LaTeX|maketitle|tableofcontents|noindent|centering|times|cdot|leq|geq|to|rightarrow)(?![A-Za-z])"
)
OPERATOR = (
    r"(?<![^\s(\"'“„])(?:={2,3}|!={1,2}|&&|\|\||<=>?|>=|\+\+|\+=|-=|\*=|/=|:=|\?\?|\?\.|/\*|\*/"
    r"|!important)(?=[\s,;.:?!)\"'”“]|$)"
)
HASH = (
    r"(?<![\w-])[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}(?!\w)"
    r"|(?<![\w.,-])(?=[0-9a-f]{0,39}\d)(?=[0-9a-f]{0,39}[a-f])(?!\d+(?:st|nd|rd|th|e\d|ab|a"
    r"|b)(?!\w))[0-9a-f]{7,128}(?!\w)"
    r"|(?<!\w)0x[0-9A-Fa-f]{1,16}(?!\w)|(?<!\w)(?:sha(?:1|256|512)|md5)[:-]\w{6,128}"
)
PLACE = r"(?<![\w/])[\w./-]{1,60}\.[a-z]{1,5}:\d{1,6}(?::\d{1,5})?(?!\w)"

_HAS_CODE = re.compile(
    r"[=<>{}\[$\\&|+*%^_#;]|(?=[-\d(?:.!])(?:\d[a-f]|(?<=[a-f])\d|(?<=\w)\(|\?[\w?]|(?<=\w)\.[a-zA-Z*]"
    r"|(?<=[a-z]):\s?[#\da-z]|(?<=\"):\s|(?<=[rn]):\s['\"]|--|!important"
    r"|(?<= )-\s)"
)
_WORDS = re.compile(r"[a-z][\w+.-]{1,60}")
_PROGRAMS = frozenset(
    [
        "sudo",
        "git",
        "npm",
        "pnpm",
        "yarn",
        "bun",
        "npx",
        "apt",
        "apt-get",
        "dnf",
        "yum",
        "brew",
        "snap",
        "choco",
        "winget",
        "flatpak",
        "conda",
        "gem",
        "pip",
        "pip3",
        "pipx",
        "cargo",
        "poetry",
        "uv",
        "composer",
        "pacman",
        "zypper",
        "apk",
        "docker",
        "docker-compose",
        "kubectl",
        "helm",
        "terraform",
        "ansible",
        "gh",
        "aws",
        "gcloud",
        "az",
        "systemctl",
        "go",
        "make",
        "dotnet",
        "mvn",
        "gradle",
        "flutter",
        "rails",
        "php",
        "manage.py",
        "ng",
        "vue",
        "python",
        "python3",
        "ruby",
        "perl",
        "bash",
        "sh",
        "zsh",
        "gcc",
        "g++",
        "clang",
        "pytest",
        "ffmpeg",
        "rsync",
        "ssh",
        "scp",
        "curl",
        "wget",
        "tar",
        "unzip",
        "ls",
        "cd",
        "mkdir",
        "rmdir",
        "rm",
        "cp",
        "mv",
        "chmod",
        "chown",
        "grep",
        "sed",
        "awk",
        "ping",
        "traceroute",
        "killall",
        "pkill",
        "ps",
        "cat",
        "ln",
        "nano",
        "vim",
        "nslookup",
        "dig",
        "netstat",
        "ifconfig",
        "ipconfig",
        "journalctl",
        "crontab",
        "mysql",
        "psql",
        "sqlite3",
        "redis-cli",
        "openssl",
        "nmap",
        "df",
        "uniq",
        "wc",
        "xargs",
        "adb",
        "dism",
        "sfc",
        "chkdsk",
        "robocopy",
        "taskkill",
        "node",
        "java",
        "du",
        "find",
        "sort",
        "touch",
        "tail",
        "head",
        "kill",
        "source",
        "convert",
        "tee",
        "export",
        "echo",
    ]
)
"""The first words of commands, by which most sentences are passed over."""

_SNIPPET = "|".join((QUERY, LINES, DATA, STYLE, FORMULA, GLOB, EXPRESSIONS, EXPRESSION, CALLED, HASH, PLACE, OPERATOR))

_compile = cache(re.compile)  # when a text needs it: these patterns take long to compile


def find_snippets(text: str) -> Iterator[tuple[int, int]]:
    """Where code with spaces in it begins and ends, in the text's order. They do not overlap."""
    found: list[tuple[int, int]] = []
    words = _WORDS.findall(text)
    if not _PROGRAMS.isdisjoint(words):
        found += [match.span() for match in _compile(COMMAND).finditer(text)]
    if _HAS_CODE.search(text) or "import" in words or "TABLE" in text:
        found += [match.span() for match in _compile(_SNIPPET).finditer(text)]
    place = 0
    for begin, end in sorted(found, key=lambda one: (one[0], -one[1])):
        end = _trim(text, begin, end)
        if begin >= place and end > begin:
            yield begin, end
            place = end


def keep_whole(snippets: Sequence[tuple[int, int]], spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The snippets that cut no span in two and lie in none. Both are ascending."""
    kept: list[tuple[int, int]] = []
    first = 0
    for begin, end in snippets:
        while first < len(spans) and spans[first][1] <= begin:
            first += 1
        place, is_whole = first, True
        while place < len(spans) and spans[place][0] < end:
            is_whole = is_whole and begin <= spans[place][0] and spans[place][1] <= end
            place += 1
        if is_whole:
            kept.append((begin, end))
    return kept


def _trim(text: str, begin: int, end: int) -> int:
    """The end without punctuation that belongs to the sentence."""
    while end > begin and (text[end - 1].isspace() or text[end - 1] in ".,!?:"):
        end -= 1
    return end
