"""Skips the tests of Google's API where its package is missing."""

import pytest

pytest.importorskip("google.cloud.translate_v3", reason="needs google-cloud-translate: pip install 'dragoman[google]'")
