// What happens when an answer does not come, or comes from the sign-in page: say so, keep what was typed, offer a retry.

import { toast } from "./toast.js";

const PROBE_MS = 3000;
let signedOut = false;
let failedPolls = 0;
let probing = null;

function banner(name, on) {
  const node = document.getElementById(`banner-${name}`);
  if (node) node.hidden = !on;
}

function isSignIn(xhr) {
  const login = document.body.dataset.loginUrl;
  return Boolean(login && xhr.responseURL && new URL(xhr.responseURL).pathname === login && location.pathname !== login);
}

function saySignedOut() {
  signedOut = true;
  banner("signed-out", true);
}

function saySignedIn() {
  signedOut = false;
  banner("signed-out", false);
}

/** Somebody may have signed in in another tab: ask when this one is looked at again. */
async function checkSession() {
  if (!signedOut || document.hidden) return;
  const answer = await fetch(location.href, { method: "HEAD", headers: { "HX-Request": "true" } }).catch(() => null);
  if (answer && answer.status !== 401 && !answer.redirected) saySignedIn();
}

function sayUnreachable() {
  banner("unreachable", true);
  probing ||= setInterval(async () => {
    const answer = await fetch(document.body.dataset.healthUrl).catch(() => null);
    if (answer) sayReachable();
  }, PROBE_MS);
}

function sayReachable() {
  clearInterval(probing);
  probing = null;
  failedPolls = 0;
  banner("unreachable", false);
}

function isPoll(detail) {
  return detail.elt?.hasAttribute?.("data-live") && detail.requestConfig?.verb === "get";
}

function retry(detail) {
  const { elt, requestConfig } = detail;
  return {
    label: "Try again",
    run: () => {
      if (elt.isConnected && elt.matches("form")) elt.requestSubmit();
      else if (elt.isConnected && elt.matches("a, button")) elt.click();
      else window.htmx.ajax(requestConfig.verb.toUpperCase(), requestConfig.path, { source: elt, values: requestConfig.parameters });
    },
  };
}

function onError(event) {
  const { xhr } = event.detail;
  if (xhr.status === 401) return saySignedOut();
  if (isPoll(event.detail)) return;
  if (isPart(event.detail)) return sayPartMissing(event.detail);
  if ((xhr.getResponseHeader("HX-Trigger") || "").includes("toast")) return;
  const messages = {
    403: "You may not do this, or this page is too old. Reload it and try again.",
    404: "That is not there any more.",
    409: "Somebody else was quicker. Reload to see what happened.",
    413: "That is too large.",
    429: "Too many requests. Wait a moment and try again.",
  };
  const message = messages[xhr.status] || "Something broke on our side. Nothing was changed.";
  toast({ message, tone: "danger", action: xhr.status === 403 || xhr.status === 409 ? reload() : retry(event.detail) });
}

function isPart({ requestConfig }) {
  return requestConfig?.verb === "get" && !requestConfig.triggeringEvent; // htmx has no event for a trigger "load"
}

/** A part that the page fetches by itself says in its own place that it did not come. */
function sayPartMissing({ elt, target, requestConfig }) {
  const text = document.createElement("p");
  text.className = "muted small";
  text.textContent = "This part could not be loaded. ";
  const button = document.createElement("button");
  button.type = "button";
  button.className = "btn btn-sm";
  button.textContent = "Try again";
  button.addEventListener("click", () => window.htmx.ajax("GET", requestConfig.path, { source: elt, target }));
  text.append(button);
  (target || elt).replaceChildren(text);
}

function reload() {
  return { label: "Reload", run: () => location.reload() };
}

function onUnreachable(event) {
  failedPolls += 1;
  if (!isPoll(event.detail)) {
    sayUnreachable();
    toast({ message: "LeadPilot could not be reached. What you typed is still here.", tone: "danger", action: retry(event.detail) });
  } else if (failedPolls > 1) {
    sayUnreachable();
  }
}

function onAnswer(event) {
  const { xhr } = event.detail;
  if (!xhr || xhr.status === 0) return;
  sayReachable();
  if (xhr.status < 400 && !isSignIn(xhr) && signedOut) saySignedIn();
}

function cookieToken() {
  return document.cookie.split("; ").find((part) => part.startsWith("csrftoken="))?.slice("csrftoken=".length);
}

/** The token in an old page belongs to an old session; the cookie has the one that counts. */
function onSubmit(event) {
  const form = event.target;
  if (form.method !== "post") return;
  const leaves = !form.hasAttribute("hx-post") && !form.closest("[data-public]");
  if (signedOut && leaves) {
    event.preventDefault();
    event.stopPropagation();
    toast({ message: "You were signed out. Sign in first: what you typed stays here.", tone: "warning" });
    return;
  }
  const field = form.elements.namedItem("csrfmiddlewaretoken");
  if (field && cookieToken()) field.value = cookieToken();
}

export function start() {
  const body = document.body;
  body.addEventListener("htmx:configRequest", (event) => {
    if (cookieToken()) event.detail.headers["X-CSRFToken"] = cookieToken();
  });
  body.addEventListener("htmx:beforeSwap", (event) => {
    if (!isSignIn(event.detail.xhr)) return;
    event.detail.shouldSwap = false;
    saySignedOut();
  });
  body.addEventListener("signed-out", saySignedOut);
  body.addEventListener("htmx:responseError", onError);
  body.addEventListener("htmx:sendError", onUnreachable);
  body.addEventListener("htmx:timeout", onUnreachable);
  body.addEventListener("htmx:afterRequest", onAnswer);
  document.addEventListener("submit", onSubmit, true);
  document.addEventListener("visibilitychange", checkSession);
  window.addEventListener("focus", checkSession);
}
