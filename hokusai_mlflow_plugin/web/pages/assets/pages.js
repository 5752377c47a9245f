// Times in the reader's zone, and what a chart's points tell. Without it every page still says it all.
"use strict";

/** Write each time as the reader's clock has it; the title keeps UTC. */
function localTimes() {
  const format = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
  for (const time of document.querySelectorAll("time[datetime]")) {
    const date = new Date(time.dateTime);
    if (!Number.isNaN(date.getTime())) time.textContent = format.format(date);
  }
  for (const text of document.querySelectorAll("text[data-time]")) {
    const date = new Date(Number(text.getAttribute("data-time")));
    const isDay = text.textContent?.includes("-"); // as the server wrote it: a day, or a time of day
    const parts = isDay ? [date.getFullYear(), date.getMonth() + 1, date.getDate()]
      : [date.getHours(), date.getMinutes(), date.getSeconds()];
    text.textContent = parts.map((part) => String(part).padStart(2, "0")).join(isDay ? "-" : ":");
  }
}

/**
 * Show the label of the point that is pointed at, or has the focus.
 * @param {Element} plot
 */
function tips(plot) {
  const tip = document.createElement("div");
  tip.className = "tip";
  tip.hidden = true;
  tip.setAttribute("aria-hidden", "true"); // the link's own label says the same
  plot.append(tip);

  /** @param {Event} event */
  function show(event) {
    const link = event.target instanceof Element ? event.target.closest(".mark a") : null;
    tip.hidden = link === null;
    if (link === null) return;
    const lines = (link.getAttribute("aria-label") ?? "").split(" · ").map((text) => {
      const line = document.createElement("span");
      line.textContent = text;
      return line;
    });
    tip.replaceChildren(...lines);
    place(link.getBoundingClientRect());
  }

  /** @param {DOMRect} point */
  function place(point) {
    const frame = plot.getBoundingClientRect();
    const middle = point.left + point.width / 2 - frame.left - tip.offsetWidth / 2;
    tip.style.left = `${Math.max(0, Math.min(middle, frame.width - tip.offsetWidth))}px`;
    const above = point.top - frame.top - tip.offsetHeight - 8;
    tip.style.top = `${above > -40 ? above : point.bottom - frame.top + 8}px`;
  }

  function hide() {
    tip.hidden = true;
  }

  plot.addEventListener("pointerover", show);
  plot.addEventListener("focusin", show);
  plot.addEventListener("pointerleave", hide);
  plot.addEventListener("focusout", hide);
  plot.addEventListener("keydown", (event) => {
    if (event instanceof KeyboardEvent && event.key === "Escape") hide();
  });
  // The browser's own tip, which needs no script, would double ours: its text becomes the link's label.
  for (const title of plot.querySelectorAll(".mark title")) {
    title.parentElement?.setAttribute("aria-label", title.textContent ?? "");
    title.remove();
  }
}

localTimes();
for (const plot of document.querySelectorAll(".plot")) tips(plot);
