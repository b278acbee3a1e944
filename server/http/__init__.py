"""HTTP: LibreTranslate's and DeepL's methods, and the contract as JSON."""
