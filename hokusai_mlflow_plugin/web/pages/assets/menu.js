// An entry for the pages in the menu of MLflow's own UI (HOKUSAI_UI_LINK). It copies an entry that
// is there; where the menu is not built as expected it leaves everything as it is.
"use strict";

(() => {
  const script = document.currentScript;
  if (!(script instanceof HTMLScriptElement)) return;
  const root = new URL("..", script.src).pathname;
  const iconAddress = script.dataset.icon ?? "";
  const ID = "hokusai-menu-entry";
  const LINKS = 'li > a[href^="#/"]';

  /**
   * The link to be copied: the last one that is not the current page's. Those before it may be an
   * experiment's, which look different.
   */
  function model() {
    const list = document.querySelector(`aside nav ul > ${LINKS}`)?.closest("ul");
    const links = Array.from(list?.querySelectorAll(`:scope > ${LINKS}`) ?? []);
    return links.filter((link) => !link.hasAttribute("aria-current")).pop();
  }

  /** @param {Element} link */
  function isFolded(link) {
    return (link.textContent ?? "").trim() === ""; // a narrow menu shows icons alone
  }

  /** Have our entry at the end of the menu, as the others look now. */
  function add() {
    const link = model();
    const item = link?.parentElement;
    if (!link || !item) return;
    const list = item.parentElement;
    const old = document.getElementById(ID);
    const ours = old?.querySelector("a");
    if (ours && old === list?.lastElementChild && ours.className === link.className
      && isFolded(ours) === isFolded(link)) return;
    old?.remove();
    list?.append(entry(item, isFolded(link)));
  }

  /**
   * @param {Element} item
   * @param {boolean} isNarrow
   */
  function entry(item, isNarrow) {
    const copy = /** @type {HTMLElement} */ (item.cloneNode(true));
    const link = /** @type {HTMLAnchorElement} */ (copy.querySelector("a"));
    copy.id = ID;
    link.href = root;
    for (const name of ["data-component-id", "aria-label", "title"]) link.removeAttribute(name);
    const icon = document.createElement("img");
    icon.src = iconAddress;
    icon.alt = isNarrow ? "Tokens" : "";
    icon.width = icon.height = 16;
    const label = document.createElement("span");
    label.textContent = "Tokens";
    if (isNarrow) link.title = "Tokens";
    link.replaceChildren(icon, ...(isNarrow ? [] : [label]));
    return copy;
  }

  // MLflow's UI builds its menu after it is loaded, and changes it: folded, or in an experiment.
  new MutationObserver(add).observe(document.documentElement, { childList: true, subtree: true });
  add();
})();
