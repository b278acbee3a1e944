"""Documents: a file's texts are taken out, translated, and put back where they were; every other byte stays as it was.

A format is a module with one function, `open_document(content, options) -> Document`; `opening` has the table of them.
A `Document` has `segments`, each a text to translate, and `render(translations)`, which gives the file's bytes.

How text and inline elements are expressed, in every format: as `markup.content.Content`, pieces of text and `Tag`s. A
tag's `raw` belongs to the format: what it writes there, or the key of what it keeps elsewhere (an XML fragment, the
number of a run). The reader calls `make_segment(content)`. `translating` translates the segment's text, places its
elements by word weights from the decoder's attention, as in HTML, and gives `render` a `Content` again: the same tags,
once each, pairs nested, the text between them translated; or None for a segment that stays as it is.

So a format knows nothing of models, and this room neither of files nor of the command line.
"""
