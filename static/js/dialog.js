// Dialogs: opened by [data-dialog], filled by the server in #modal, and the "are you sure" of [data-confirm].

function openDialog(dialog) {
  if (!dialog.open) dialog.showModal();
}

/** Ask a yes/no question; resolves to true or false. */
export function ask({ text, title = "Are you sure?", ok = "Continue", tone = "" }) {
  const dialog = document.getElementById("confirm");
  dialog.querySelector("[data-confirm-title]").textContent = title;
  dialog.querySelector("[data-confirm-text]").textContent = text;
  const button = dialog.querySelector("[value=ok]");
  button.textContent = ok;
  button.className = tone === "danger" ? "btn btn-danger is-solid" : "btn btn-primary";
  dialog.returnValue = "";
  openDialog(dialog);
  (tone === "danger" ? dialog.querySelector("[value=cancel]") : button).focus();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "ok"), { once: true });
  });
}

function question(source) {
  const data = source.dataset;
  return { text: data.confirm, title: data.confirmTitle, ok: data.confirmOk, tone: data.confirmTone };
}

function usesHtmx(element) {
  return ["get", "post", "put", "patch", "delete"].some((verb) => element.hasAttribute(`hx-${verb}`));
}

function onHtmxConfirm(event) {
  const submitter = event.detail.triggeringEvent?.submitter;
  const source = [submitter, event.detail.elt].find((element) => element?.dataset?.confirm);
  if (!source && !event.detail.question) return;
  event.preventDefault();
  ask(source ? question(source) : { text: event.detail.question }).then((yes) => {
    if (yes) event.detail.issueRequest(true);
  });
}

let confirmed = null;

function onSubmit(event) {
  const { target: form, submitter } = event;
  const source = [submitter, form].find((element) => element?.dataset?.confirm);
  if (!source || usesHtmx(form) || (submitter && usesHtmx(submitter))) return;
  if (confirmed === form) {
    confirmed = null;
    return;
  }
  event.preventDefault();
  event.stopPropagation();
  ask(question(source)).then((yes) => {
    if (!yes) return;
    confirmed = form;
    form.requestSubmit(submitter || undefined);
  });
}

function onClick(event) {
  const opener = event.target.closest("[data-dialog]");
  if (opener) openDialog(document.getElementById(opener.dataset.dialog));
  if (event.target.closest("[data-dialog-close]")) event.target.closest("dialog").close();
  if (event.target.matches("dialog[open]:not([data-keep])")) event.target.close(); // the backdrop
  const link = event.target.closest("a[data-confirm]");
  if (link && !usesHtmx(link)) {
    event.preventDefault();
    ask(question(link)).then((yes) => yes && location.assign(link.href));
  }
}

export function start() {
  document.addEventListener("click", onClick);
  document.addEventListener("submit", onSubmit, true);
  document.body.addEventListener("htmx:confirm", onHtmxConfirm);
  document.body.addEventListener("htmx:afterSwap", (event) => {
    const modal = document.getElementById("modal");
    if (event.detail.target === modal && modal.childElementCount) openDialog(modal);
  });
  document.body.addEventListener("closeModal", () => {
    for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
  });
}
