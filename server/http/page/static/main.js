/** Starts the page. */

import { startAccess } from "./access.js";
import { startAlternatives } from "./alternatives.js";
import { startControls } from "./controls.js";
import { startLinking } from "./linking.js";
import { startMarks } from "./marks.js";
import { startPanels } from "./panels.js";
import { startSource } from "./source.js";
import { startTarget } from "./target.js";
import { startTranslating } from "./translating.js";

startTranslating();
startTarget();
startSource();
startMarks();
startLinking();
startAlternatives();
startAccess();
startControls(); // last: it sets the first choices, with which all begins
requestAnimationFrame(() => setTimeout(startPanels)); // after the first paint
