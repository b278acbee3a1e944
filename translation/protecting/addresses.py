"""Patterns of addresses: of pages, mailboxes, files, machines and people. What ends a sentence behind one is trimmed by
`spans`."""

_TLD = (
    r"(?:com|org|net|edu|gov|mil|int|info|biz|io|dev|app|ai|co|tv|eu|de|at|ch|li|uk|ie|fr|es|pt|it|nl|be|lu|dk|se|fi|pl|cz"
    r"|sk|hu|ro|bg|gr|hr|si|rs|ua|ru|tr|il|cn|jp|kr|tw|hk|sg|au|nz|ca|mx|br|ar|cl|za|local|localhost|example|test|invalid"
    r"|internal|lan|home|onion|museum|travel|online|shop|store|blog|cloud|tech|berlin|hamburg|koeln|wien|bayern|gg|ly)"
)
_EXTENSION = (
    r"(?:pdf|docx?|xlsx?|pptx?|odt|ods|odp|rtf|txt|text|md|rst|tex|csv|tsv|json|ya?ml|toml|ini|cfg|conf|config|xml|html?"
    r"|s?css|jsx?|mjs|tsx?|vue|pyc?|ipynb|rb|php|java|class|jar|kt|swift|go|rs|cc?|cpp|h|hpp|cs|sh|bash|bat|cmd|ps1|exe|dll"
    r"|so|msi|dmg|pkg|deb|rpm|apk|ipa|iso|img|zip|gz|tgz|bz2|xz|7z|rar|tar|jpe?g|png|gif|bmp|svg|webp|tiff?|heic|ico|psd"
    r"|mp[34]|m4[av]|wav|og[gav]|flac|avi|mkv|mov|webm|srt|vtt|pot?|mo|xliff|xlf|properties|strings|plist|sql|db|sqlite|log"
    r"|bak|tmp|lock|key|pem|crt|cer|env|eml|msg|ics|vcf|epub|mobi|[to]tf|woff2?|service|safetensors|pth?|onnx|lua|dat|bin|patch|diff"
    r"|cmake|gradle|desktop|texi)"
)
_REST = r"(?:[^\s<>()\"“”„»«]|\([^\s()]{0,200}\))"

URL = (
    r"<(?:https?|ftp|mailto):[^\s<>]{1,2000}>"
    r"|(?<!\w)(?:(?:https?|ftps?|sftp|file|ssh|git|wss?|irc|smb|s3|chrome|about|vscode)://|mailto:|tel:|magnet:\?|www\.(?=\w))"
    rf"{_REST}{{1,2000}}"
)
EMAIL = r"(?<![\w.+-])[\w+-][\w.+%-]{0,63}@(?:[^\W_][\w-]{0,62}\.){1,6}[^\W\d_]{2,24}(?![\w@])"
HOST = (
    rf"(?<![\w@.\-/])(?:[^\W_][\w-]{{0,62}}\.){{1,6}}{_TLD}(?![\w-])(?!\.[^\W_])(?::\d{{1,5}})?(?:/{_REST}{{0,500}})?"
    rf"|(?<!\w)localhost(?::\d{{1,5}})?(?:/{_REST}{{0,200}})?"
)
IP = (
    r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?:/\d{1,2}|:\d{1,5})?(?!\w|\.\d)"
    r"|(?<![\w:.])(?:[0-9A-Fa-f]{1,4}:){5,7}[0-9A-Fa-f]{1,4}(?![\w:])"
    r"|(?<![\w:.])(?:[0-9A-Fa-f]{1,4}:){0,6}(?:[0-9A-Fa-f]{1,4})?::(?:[0-9A-Fa-f]{1,4}:){0,6}[0-9A-Fa-f]{1,4}(?:/\d{1,3})?(?![\w:])"
)
PATH = (
    r"(?<![\w/\\])[A-Za-z]:[\\/](?:[\w.+@~$()\\/-]|(?<=Program) (?=Files)|(?<=Files) (?=\(x86\))){0,400}"
    r"|\\\\[\w.-]{1,64}(?:\\[\w.$-]{1,100}){1,20}"
    r"|%[A-Z]{3,20}%\\[\w.\\-]{1,200}"
    rf"|(?<![\w@./~\\<)])(?:[\w.@-]{{1,60}}/){{1,20}}[\w.@-]{{1,60}}\.{_EXTENSION}(?!\w)"
    r"|(?<![\w@./~\\<)])(?:[\w.-]{1,60}/){2,20}(?!\w)"
    r"|(?<![\w/.<\\)])(?:~|\.{1,2})?/(?:[\w.@+*~%=-]{1,100}/){0,30}[\w.@+*~%=-]{0,100}(?<=\w[\w/*~-])"
)
FILE = (
    rf"(?<![\w.@/-])[\w-][\w.~-]{{0,80}}\.{_EXTENSION}(?![\w/])(?!\.\w)"
    r"|(?<!\S)\.(?:[a-z][\w-]{2,30})(?:/[\w.-]{1,60})?(?![\w(])"
    r"|(?<!\S)\*\.\w{1,10}(?!\w)"
)
HANDLE = r"(?<![\w@./])@[A-Za-z_]\w{0,60}(?:[./-]\w{1,60}){0,4}"
TAG = r"(?<![\w#&/])#[^\W_][\w-]{0,100}"

ADDRESSES = "|".join((URL, EMAIL, IP, PATH, HOST, FILE, HANDLE, TAG))
