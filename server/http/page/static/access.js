/** The access token, where the server wants one. */

import { keepsToken, setToken } from "./api.js";

const find = (id) => document.getElementById(id);

export function startAccess() {
  const [button, dialog] = [find("open-access"), find("access")];
  button.hidden = document.body.dataset.needsToken !== "true";
  button.addEventListener("click", () => {
    find("keep-token").checked = keepsToken();
    dialog.showModal();
  });
  find("cancel-access").addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => {
    if (dialog.returnValue === "use") setToken(find("token").value.trim(), find("keep-token").checked);
    find("token").value = "";
    dialog.returnValue = "";
    find("text").focus();
  });
}
