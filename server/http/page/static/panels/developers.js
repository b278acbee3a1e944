/** The developers' panel: what the page just did, as programs do it. */

import { on, state } from "../state.js";
import { copyText } from "./common.js";
import { make, makeButton, makeSelect } from "./dom.js";
import { asCurl, asGrpc, asPython, simplify } from "./snippets.js";

const MAX_CALLS = 12;
const FORMS = [["curl", "curl"], ["python", "Python"], ["grpc", "gRPC"]];

/** Calls by which the page looks after itself. */
const isOwn = ({ method, path }) => method !== "POST" || path.endsWith("/detectLanguage");

let calls = []; // the newest first
let form = "curl";
let chosen = null; // null: always the newest

export function start(body, details) {
  const needsToken = document.body.dataset.needsToken === "true";
  const code = make("code");
  const tabs = FORMS.map(([name, label]) => makeButton(label, () => choose(name), { class: "tab", "aria-pressed": "false" }));
  const copy = makeButton("Copy", () => copyText(code.textContent, copy), { class: "quiet" });
  const which = make("div", { class: "developers-calls" });
  const about = make("p", { class: "panel-note" });
  const listing = make("pre", { class: "snippet", tabindex: 0, role: "region", "aria-label": "The call as a program" }, code);

  const choose = (name) => {
    form = name;
    draw();
  };
  const draw = () => {
    if (!details.open) return;
    tabs.forEach((tab, place) => tab.setAttribute("aria-pressed", String(FORMS[place][0] === form)));
    const entry = chosen ?? calls[0];
    copy.disabled = !entry;
    if (!entry) {
      code.textContent = "";
      about.textContent = "Translate something, and here is how a program does it.";
      return;
    }
    const simple = simplify(entry);
    const text = {
      curl: () => asCurl(simple, location.origin, needsToken),
      python: () => (simple.path === "/v1/documents" ? asPython({ method: "GET", path: "/frontend/settings", body: null }, location.origin, needsToken) : asPython(simple, location.origin, needsToken)),
      grpc: () => asGrpc(simple, location.hostname, location.protocol === "https:", needsToken),
    }[form]();
    code.textContent = text || "# gRPC has no such method.";
    about.textContent = `${entry.status} after ${Math.round(entry.ms)} ms. ${form === "grpc" && text ? "50051 is the port of gRPC unless the server was started with another." : ""}`;
  };
  const drawCalls = () => {
    if (!details.open) return;
    const options = calls.map((entry, place) => [String(place), describe(entry)]);
    const place = chosen ? calls.indexOf(chosen) : -1;
    which.replaceChildren(
      makeSelect("Call", [["-1", "the newest"], ...options], String(place), (value) => {
        chosen = calls[Number(value)] ?? null;
        draw();
      }),
    );
  };
  on("call", (entry) => {
    if (isOwn(entry)) return;
    const last = calls[0];
    // While somebody types, the newer call takes the older one's place.
    if (last?.path === entry.path && entry.path === "/v1/translateLive") calls.shift();
    if (chosen === last && last && calls[0] !== last) chosen = null;
    calls = [entry, ...calls].slice(0, MAX_CALLS);
    if (chosen && !calls.includes(chosen)) chosen = null;
    if (!which.contains(document.activeElement)) drawCalls();
    draw();
  });
  details.addEventListener("toggle", () => {
    drawCalls();
    draw();
  });
  const specification = make("a", { href: "/v1/openapi.json", target: "_blank", rel: "noopener", text: "OpenAPI document" });
  body.replaceChildren(
    make("p", { class: "panel-intro" }, "What this page just did, for your own program. All methods: ", specification, "."),
    make("div", { class: "developers-tools" }, which, make("div", { class: "tabs", role: "group", "aria-label": "Language" }, ...tabs), copy),
    listing,
    about,
  );
  if (state.result?.isComplete) calls = [{ method: "POST", path: "/v1/translateLive", body: state.result.request, status: 200, ms: 0 }];
  drawCalls();
  draw();
}

function describe({ path, body }) {
  const name = simplify({ path, body }).path;
  const text = body?.text ?? body?.texts?.[0] ?? body?.source ?? "";
  return text ? `${name} “${text.length > 30 ? `${text.slice(0, 29)}…` : text}”` : name;
}
