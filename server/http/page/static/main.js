/** Starts the page. */

import { startAccess } from "./access.js";
import { startControls } from "./controls.js";
import { startPanels } from "./panels.js";
import { startSource } from "./source.js";
import { startTarget } from "./target.js";
import { startTranslating } from "./translating.js";

startTranslating();
startTarget();
startSource();
startAccess();
startControls(); // last: it sets the first choices, with which all begins
requestAnimationFrame(() => setTimeout(startPanels)); // after the first paint
