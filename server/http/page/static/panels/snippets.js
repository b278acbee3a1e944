/** Pure functions: a call of the server as a program of other people's. */

/** A text as one word of a shell. */
export const quoteShell = (text) => `'${text.replaceAll("'", "'\\''")}'`;

/** A value of JSON as Python writes it, over several lines. */
export function toPython(value, indent = "") {
  if (value === null) return "None";
  if (value === true) return "True";
  if (value === false) return "False";
  if (typeof value !== "object") return JSON.stringify(value);
  const inner = `${indent}    `;
  const isList = Array.isArray(value);
  const parts = isList
    ? value.map((one) => toPython(one, inner))
    : Object.entries(value).map(([name, one]) => `${JSON.stringify(name)}: ${toPython(one, inner)}`);
  const [open, close] = isList ? "[]" : "{}";
  const line = `${open}${parts.join(", ")}${close}`;
  if (indent.length + line.length <= 88 && !line.includes("\n")) return line;
  return `${open}\n${parts.map((part) => `${inner}${part},\n`).join("")}${indent}${close}`;
}

/** A call as a program calls it: without what only the page wants, and the live translation as the plain one. */
export function simplify({ method, path, body }) {
  if (path !== "/v1/translateLive" || !body) return { method, path, body };
  const { text, returnOptions, ...rest } = body;
  return { method, path: "/v1/translate", body: { texts: [text], ...rest } };
}

/** With curl. needsToken: whether the server wants a token, which the reader puts into $TOKEN. */
export function asCurl({ method, path, body }, origin, needsToken) {
  const parts = [`curl ${method === "GET" || body !== null ? "" : `-X ${method} `}${quoteShell(origin + path)}`];
  if (needsToken) parts.push(`-H "authorization: Bearer $TOKEN"`);
  if (isDocument(path)) parts.push("-F file=@document.docx", ...fieldsOf(body).map(([name, value]) => `-F ${quoteShell(`${name}=${value}`)}`));
  else if (body) parts.push(`-H 'content-type: application/json'`, `-d ${quoteShell(JSON.stringify(body))}`);
  return parts.join(" \\\n  ");
}

/** With Python and nothing else. */
export function asPython({ method, path, body }, origin, needsToken) {
  const lines = ["import json", ...(needsToken ? ["import os"] : []), "import urllib.request", ""];
  const headers = body ? ['"content-type": "application/json"'] : [];
  if (needsToken) headers.push(`"authorization": f"Bearer {os.environ['TOKEN']}"`);
  if (body) lines.push(`body = ${toPython(body)}`);
  lines.push(
    "request = urllib.request.Request(",
    `    ${JSON.stringify(origin + path)},`,
    `    ${body ? "json.dumps(body).encode()" : "None"},`,
    `    {${headers.join(", ")}},`,
    ...(method === "GET" || (method === "POST" && body) ? [] : [`    method="${method}",`]),
    ")",
    "with urllib.request.urlopen(request) as response:",
    "    answer = json.load(response)",
  );
  if (path === "/v1/translate") lines.push('for translation in answer["translations"]:', '    print(translation["hypotheses"][0]["text"])');
  else lines.push("print(answer)");
  return `${lines.join("\n")}\n`;
}

const METHODS = { "/v1/translate": "Translate", "/v1/score": "Score", "/v1/detectLanguage": "DetectLanguage" };

/** With grpcurl; empty for what gRPC does not have. */
export function asGrpc({ path, body }, host, isSecure, needsToken) {
  const method = METHODS[path];
  if (!method) return "";
  const parts = [`grpcurl ${isSecure ? "" : "-plaintext"}`.trim()];
  if (needsToken) parts.push(`-H "authorization: Bearer $TOKEN"`);
  parts.push(`-d ${quoteShell(JSON.stringify(body))}`, `${host}:50051 dragoman.v1.TranslationService/${method}`);
  return parts.join(" \\\n  ");
}

const isDocument = (path) => path === "/v1/documents";
const fieldsOf = (body) => Object.entries(body ?? { targetLanguageCode: "de" });
