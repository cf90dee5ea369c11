// Short messages in the corner: from Django's messages, from an HX-Trigger header, or from our own modules.

const STAY_MS = 6000;
const STAY_WITH_ACTION_MS = 12000;
const MOST = 4;

function region() {
  return document.getElementById("toasts");
}

function iconFor(tone) {
  const template = document.getElementById(`icon-${tone}`) || document.getElementById("icon-info");
  return template ? template.content.cloneNode(true) : document.createDocumentFragment();
}

function dismissLater(node, stay) {
  let timer = setTimeout(() => node.remove(), stay);
  const hold = () => clearTimeout(timer);
  const release = () => {
    clearTimeout(timer);
    timer = setTimeout(() => node.remove(), stay / 2);
  };
  node.addEventListener("pointerenter", hold);
  node.addEventListener("focusin", hold);
  node.addEventListener("pointerleave", release);
  node.addEventListener("focusout", release);
}

function actionButton(node, action) {
  const button = document.createElement(action.href ? "a" : "button");
  button.className = "btn btn-sm";
  button.textContent = action.label;
  if (action.href) button.href = action.href;
  button.addEventListener("click", () => {
    node.remove();
    if (action.run) action.run();
    else if (action.post) window.htmx.ajax("POST", action.post, { target: "body", swap: "none" });
  });
  return button;
}

/** Show `message`; `action` is {label, href | post | run}. Danger stays until it is closed. */
export function toast({ message, tone = "info", action = null }) {
  const node = document.createElement("div");
  node.className = `toast toast-${tone}`;
  node.append(iconFor(tone));
  const text = document.createElement("div");
  text.className = "toast-text";
  text.textContent = message;
  node.append(text);
  if (action) node.append(actionButton(node, action));
  node.append(closeButton());
  region().append(node);
  while (region().children.length > MOST) region().firstElementChild.remove();
  if (tone !== "danger") dismissLater(node, action ? STAY_WITH_ACTION_MS : STAY_MS);
  return node;
}

function closeButton() {
  return document.getElementById("toast-close").content.firstElementChild.cloneNode(true);
}

export function start() {
  document.body.addEventListener("toast", (event) => toast(event.detail));
  document.addEventListener("click", (event) => {
    const close = event.target.closest("[data-toast-close]");
    if (close) close.closest(".toast").remove();
  });
  for (const node of region().querySelectorAll(".toast:not(.toast-danger)")) dismissLater(node, STAY_MS);
}
