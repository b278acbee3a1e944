"""A program with Google's official client: `python official_client.py blocking|async ADDRESS FOLDER`; prints JSON.

It changes nothing but the address, as a user who moves to this server would.
"""

import asyncio
import json
import sys
from collections.abc import Callable
from typing import Any

import grpc
from google.api_core.exceptions import GoogleAPICallError
from google.cloud import translate_v3
from google.cloud.translate_v3.services.translation_service import transports

PARENT = "projects/my-project/locations/europe-west1"
HTML = '<p class="x">The dog sees the <b>house</b> &amp; the tree.</p><script>var a = "The dog";</script>'
TEXT = {"parent": PARENT, "source_language_code": "en", "target_language_code": "de"}
NO_PROXY = [("grpc.enable_http_proxy", 0)]


def batch(folder: str, name: str, output: str) -> dict[str, Any]:
    return {
        "parent": PARENT,
        "source_language_code": "en",
        "target_language_codes": ["de"],
        "input_configs": [{"gcs_source": {"input_uri": f"file://{folder}/{name}"}, "mime_type": "text/plain"}],
        "output_config": {"gcs_destination": {"output_uri_prefix": f"file://{folder}/{output}/"}},
    }


def run_blocking(address: str, folder: str) -> dict[str, Any]:
    """Every method, and what the client makes of errors."""
    transport = transports.TranslationServiceGrpcTransport(channel=grpc.insecure_channel(address, options=NO_PROXY))
    client: Any = translate_v3.TranslationServiceClient(transport=transport)
    found: dict[str, Any] = {}
    response = client.translate_text(
        request={**TEXT, "contents": ["The dog sees the house."], "mime_type": "text/plain"}
    )
    found["plain"] = [translation.translated_text for translation in response.translations]
    response = client.translate_text(parent=PARENT, contents=[HTML], target_language_code="de-DE")
    found["html"] = [(one.translated_text, one.detected_language_code) for one in response.translations]
    named = {**TEXT, "contents": ["a"], "model": f"{PARENT}/models/tiny"}
    found["model"] = client.translate_text(request=named).translations[0].model
    detected = client.detect_language(parent=PARENT, content="Der Hund läuft über die Straße.", mime_type="text/plain")
    found["detected"] = detected.languages[0].language_code
    languages = client.get_supported_languages(parent=PARENT, display_language_code="en").languages
    found["languages"] = [(one.language_code, one.support_source, one.support_target) for one in languages]
    operation = client.batch_translate_text(request=batch(folder, "a.txt", "blocking"))
    found["batch"] = operation.result(timeout=60).translated_characters
    found["state"] = operation.metadata.state.name
    listed = client.list_operations({"name": PARENT})
    found["operations"] = [one.name for one in listed.operations] == [operation.operation.name]
    found["done"] = client.get_operation({"name": operation.operation.name}).done
    endless = client.batch_translate_text(request=batch(folder, "endless.txt", "cancelled"))
    endless.cancel()
    try:
        endless.result(timeout=60)
    except Exception as error:
        found["cancelled"] = [type(error).__name__, endless.cancelled()]
    client.delete_operation({"name": endless.operation.name})
    found["errors"] = []
    calls: list[Callable[[], Any]] = [
        lambda: client.translate_text(request={**TEXT, "contents": ["a"], "target_language_code": "xx"}),
        lambda: client.batch_translate_text(request=batch(folder, "none.txt", "none")),
        lambda: client.romanize_text(request={"parent": PARENT, "contents": ["a"]}),
    ]
    for call in calls:
        try:
            call()
        except GoogleAPICallError as error:
            found["errors"].append(type(error).__name__)
    return found


async def run_async(address: str, folder: str) -> dict[str, Any]:
    """Likewise, the asynchronous client."""
    transport: Any = transports.TranslationServiceGrpcAsyncIOTransport(
        channel=grpc.aio.insecure_channel(address, options=NO_PROXY)
    )
    client: Any = translate_v3.TranslationServiceAsyncClient(transport=transport)
    request = {**TEXT, "contents": ["The dog sees the house."], "mime_type": "text/plain"}
    response = await client.translate_text(request=request)
    found: dict[str, Any] = {"plain": [translation.translated_text for translation in response.translations]}
    operation = await client.batch_translate_text(request=batch(folder, "a.txt", "async"))
    found["batch"] = (await operation.result(timeout=60)).translated_characters
    await transport.close()
    return found


if __name__ == "__main__":
    kind, *arguments = sys.argv[1:]
    result = run_blocking(*arguments) if kind == "blocking" else asyncio.run(run_async(*arguments))
    print(json.dumps(result))
