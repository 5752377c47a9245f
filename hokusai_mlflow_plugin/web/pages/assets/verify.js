// Recomputes the hash of a reward event and its place in the chain, from the text on the page.
"use strict";

/**
 * Canonical JSON (RFC 8785): keys by their UTF-16 units, numbers and strings as JSON.stringify has
 * them, nothing between.
 * @param {unknown} value
 * @returns {string}
 */
function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (value !== null && typeof value === "object") {
    const members = Object.keys(value).sort().map((key) => `${JSON.stringify(key)}:${canonical(value[key])}`);
    return `{${members.join(",")}}`;
  }
  return JSON.stringify(value);
}

/**
 * SHA-256, in hex, over an event without its own hash.
 * @param {Record<string, unknown>} event
 * @returns {Promise<string>}
 */
async function hashOf(event) {
  const { hash, ...content } = event;
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(canonical(content)));
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** @param {string} place */
function read(place) {
  const text = document.querySelector(`[data-event="${place}"]`)?.textContent;
  return text ? JSON.parse(text) : null;
}

/**
 * What was found, one sentence each.
 * @returns {Promise<Array<[boolean, string]>>}
 */
async function compare() {
  const [event, previous, next] = [read("event"), read("previous"), read("next")];
  const own = await hashOf(event);
  /** @type {Array<[boolean, string]>} */
  const found = [[own === event.hash, `This event's text has the hash ${own}.`]];
  if (event.sequence === 1) {
    found.push([/^0{64}$/.test(event.previous_hash), "It is the first event, and follows none."]);
  }
  if (previous) {
    const before = await hashOf(previous);
    found.push([before === event.previous_hash, `It follows event ${previous.sequence}, whose text has the hash ${before}.`]);
  }
  if (next) {
    found.push([next.previous_hash === own, `Event ${next.sequence} follows it, and holds the hash ${next.previous_hash}.`]);
  }
  return found;
}

async function show() {
  const list = document.getElementById("recompute-result");
  if (!list) return;
  const found = await compare();
  const whole = found.every(([isRight]) => isRight);
  const verdict = whole ? "The hash and its place in the chain are right." : "The hash or its place in the chain is wrong.";
  const items = [[whole, verdict], ...found].map(([isRight, text], number) => {
    const item = document.createElement("li");
    item.className = `note ${isRight ? "good" : "bad"}`;
    item.textContent = number === 0 ? String(text) : `${isRight ? "✓" : "✗"} ${text}`;
    return item;
  });
  list.replaceChildren(...items);
}

const area = document.getElementById("recompute");
if (area) {
  area.hidden = false;
  const button = document.getElementById("recompute-button");
  if (globalThis.crypto?.subtle) {
    button?.addEventListener("click", show);
  } else if (button instanceof HTMLButtonElement) {
    // Browsers offer it on https and on localhost alone.
    button.disabled = true;
    button.textContent = "This browser computes hashes on https only";
  }
}
