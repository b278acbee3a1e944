"""Office documents: zip files of XML parts in which paragraphs are translated and everything else stays."""
