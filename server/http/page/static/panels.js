/** Imports a panel's module when the panel is opened first, or at once if it is eager. */

export function startPanels() {
  for (const details of document.querySelectorAll("details[data-panel]")) {
    const load = once(() => loadPanel(details));
    if ("eager" in details.dataset || details.open) load();
    details.addEventListener("toggle", () => details.open && load());
  }
}

async function loadPanel(details) {
  const name = details.dataset.panel;
  if ("style" in details.dataset) {
    const link = document.createElement("link");
    link.rel = "stylesheet";
    link.href = `/page/panels/${name}.css`;
    document.head.append(link);
  }
  const panel = await import(`./panels/${name}.js`);
  panel.start(details.querySelector(".panel-body"), details);
}

function once(work) {
  let isDone = false;
  return () => {
    if (isDone) return;
    isDone = true;
    work().catch((error) => {
      isDone = false;
      console.error(error);
    });
  };
}
