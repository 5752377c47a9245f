// An entry for the pages in the menu of MLflow's own UI (HOKUSAI_UI_LINK). It copies an entry that
// is there; where the menu is not built as expected it leaves everything as it is.
"use strict";

(() => {
  const script = document.currentScript;
  if (!(script instanceof HTMLScriptElement)) return;
  const root = new URL("..", script.src).pathname;
  const ID = "hokusai-menu-entry";

  /** Another entry that is not the current page's, to be copied. */
  function model() {
    const links = document.querySelectorAll('aside nav ul > li > a[href^="#/"]');
    return Array.from(links).find((link) => !link.hasAttribute("aria-current"))?.parentElement ?? null;
  }

  function add() {
    if (document.getElementById(ID)) return;
    const item = model();
    if (!(item?.parentElement instanceof HTMLUListElement)) return;
    const copy = /** @type {HTMLElement} */ (item.cloneNode(true));
    const link = copy.querySelector("a");
    if (!link) return;
    copy.id = ID;
    link.href = root;
    for (const name of ["data-component-id", "aria-label", "title"]) link.removeAttribute(name);
    const icon = document.createElement("img");
    icon.src = script instanceof HTMLScriptElement ? script.dataset.icon ?? "" : "";
    icon.alt = "";
    icon.width = icon.height = 16;
    const label = document.createElement("span");
    label.textContent = "Tokens";
    const isFolded = (item.textContent ?? "").trim() === ""; // a narrow menu shows icons alone
    link.title = isFolded ? "Tokens" : "";
    link.replaceChildren(icon, ...(isFolded ? [] : [label]));
    item.parentElement.append(copy);
  }

  // MLflow's UI builds its menu after it is loaded, and again when it is folded.
  new MutationObserver(add).observe(document.documentElement, { childList: true, subtree: true });
  add();
})();
