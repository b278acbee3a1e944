/** Makes elements. Texts become text, never HTML. */

/** An element. properties: `class`, `text`, `on` with listeners by event, `data`; any other one is an attribute, which
 * false and null leave out. children: nodes and strings. */
export function make(tag, properties = {}, ...children) {
  return build(document.createElement(tag), properties, children);
}

/** Likewise, an element of SVG. */
export function makeSvg(tag, properties = {}, ...children) {
  return build(document.createElementNS("http://www.w3.org/2000/svg", tag), properties, children);
}

function build(element, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (name === "class") element.setAttribute("class", value);
    else if (name === "text") element.textContent = value;
    else if (name === "on") for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
    else if (name === "data") Object.assign(element.dataset, value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/** A button. */
export const makeButton = (text, click, properties = {}) => make("button", { type: "button", text, on: { click }, ...properties });

/** A label with a select of [value, text] pairs. */
export function makeSelect(label, options, chosen, change) {
  const select = make("select", { on: { change: () => change(select.value) } });
  for (const [value, text] of options) select.append(make("option", { value, text, selected: value === chosen }));
  return make("label", { class: "choice" }, make("span", { text: label }), select);
}
