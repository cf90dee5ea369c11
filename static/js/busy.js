// One act at a time: the part that an answer will replace takes no second press meanwhile, and a slow answer shows a line on top.

const SLOW_MS = 250;
const waiting = new Map(); // request -> the part its answer goes to, for acts; null for reading
let slow = 0;

function isPoll({ elt, requestConfig }) {
  return elt.hasAttribute?.("data-live") && requestConfig.verb === "get";
}

function isTaken(element, target) {
  return [...waiting.values()].some((part) => part && (part === target || part.contains(element)));
}

function show() {
  clearTimeout(slow);
  if (!waiting.size) delete document.body.dataset.waiting;
  else slow = setTimeout(() => { document.body.dataset.waiting = ""; }, SLOW_MS);
  const busy = new Set(waiting.values());
  for (const part of document.querySelectorAll("[aria-busy=true]")) if (!busy.has(part)) part.removeAttribute("aria-busy");
  for (const part of busy) part?.setAttribute("aria-busy", "true");
}

function onRequest(event) {
  const { elt, target, xhr, requestConfig } = event.detail;
  if (event.defaultPrevented || isPoll(event.detail)) return;
  if (isTaken(elt, target)) return event.preventDefault();
  waiting.set(xhr, requestConfig.verb === "get" ? null : target);
  xhr.addEventListener("loadend", () => {
    waiting.delete(xhr);
    show();
  });
  show();
}

export function start() {
  document.body.addEventListener("htmx:beforeRequest", onRequest);
}
