"""HTML made up by hypothesis: well-formed, and of arbitrary scraps."""

from hypothesis import strategies as st

INLINE = ("b", "i", "em", "a", "span", "my-tag")
BLOCKS = ("p", "div", "li", "td", "h1")
WORDS = st.sampled_from(["one", "two,", "three.", "Übung", "&amp;", "&lt;x&gt;", "&nbsp;", "x²", "—", "42", "(five)"])
SPACES = st.sampled_from([" ", "", "\n  ", " "])


def _texts() -> st.SearchStrategy[str]:
    return st.lists(st.tuples(WORDS, SPACES).map("".join), min_size=1, max_size=5).map("".join)


def _wrap(name: str, content: str) -> str:
    attribute = ' href="?a=1&amp;b=<>"' if name == "a" else ""
    return f"<{name}{attribute}>{content}</{name}>"


def _singles() -> st.SearchStrategy[str]:
    return st.sampled_from(
        ["<br>", '<img src="a.png" alt="not me">', "<!-- a > b -->", "<code>f(x)</code>", "<wbr>", "<i></i>",
         '<span translate="no">Dragoman</span>', '<b class="notranslate">keep <u>all</u></b>']
    )  # fmt: skip


def inline_texts() -> st.SearchStrategy[str]:
    """Of one block, with inline elements nested in each other."""
    return st.recursive(
        st.one_of(_texts(), _texts(), _singles()),
        lambda inner: st.one_of(
            st.builds(_wrap, st.sampled_from(INLINE), inner), st.lists(inner, min_size=1, max_size=3).map("".join)
        ),
        max_leaves=8,
    )


def well_formed() -> st.SearchStrategy[str]:
    """Documents whose elements are nested in each other, all ends there."""
    scripts = st.sampled_from(["<script>if (a<b) '<p>'</script>", "<style>p > a {}</style>", "\n"])
    return st.recursive(
        st.one_of(inline_texts(), inline_texts(), scripts),
        lambda inner: st.one_of(
            st.builds(_wrap, st.sampled_from(BLOCKS), inner), st.lists(inner, min_size=1, max_size=3).map("".join)
        ),
        max_leaves=6,
    )


def html_texts() -> st.SearchStrategy[str]:
    """Anything, made of what means something in HTML."""
    scraps = """<b> </b> <i> </i> <p> </p> <br/> < > & &lt; &#x41 <!-- --> " ' = / <a~href= <script> </script <code>
    </code> <title> <pre> </pre> <p~translate=no> <svg> word Two~words. <div~class=notranslate> </div> 文 <textarea>"""
    parts = [scrap.replace("~", " ") for scrap in scraps.split()] + [" ", "\n", "\0", "\u00a0"]
    return st.lists(st.sampled_from(parts), max_size=30).map("".join)


def scraps() -> st.SearchStrategy[str]:
    """Words and white space among tags that need not be paired, without anything that is kept but pictures."""
    parts = ["<b>", "</b>", "<i>", "</i>", "<p>", "</p>", "<br>", " <img> ", " <svg></svg> ", "<!-- x -->", " ", "\n"]
    return st.lists(st.sampled_from([*parts, "one", "two.", "x&nbsp;y", " "]), max_size=14).map("".join)
