// Asks the browser for a passkey, and hands its answer in with the form that the
// button stands in. The form is useless without a passkey, and so without scripts.
"use strict";
for (const form of document.querySelectorAll("form[data-passkey]")) {
  const said = form.querySelector("[role=status]");
  const options = JSON.parse(form.dataset.options).publicKey;
  form.hidden = !window.PublicKeyCredential;
  form.addEventListener("submit", async (event) => {
    if (form.elements.vastaus.value) return;
    event.preventDefault();
    try {
      const key = form.dataset.passkey === "create"
        ? await navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options) })
        : await navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options) });
      form.elements.vastaus.value = JSON.stringify(key.toJSON());
      form.requestSubmit();
    } catch {
      said.textContent = form.dataset.failed;
    }
  });
}
