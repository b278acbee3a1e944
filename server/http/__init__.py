"""HTTP: LibreTranslate's and DeepL's methods, the contract as JSON, and the page."""
