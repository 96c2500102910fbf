// What the admin's pages do more with JavaScript than without. Every page works when this file is missing.
"use strict";

(() => {
  const root = document.documentElement;
  const $ = (selector, within = document) => within.querySelector(selector);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];

  // ---- colours: as the system, light, dark; kept in a cookie, so that the server sends the next page in them
  const THEMES = ["", "light", "dark"];
  const NAMES = { "": "Colours: as the system", light: "Colours: light", dark: "Colours: dark" };
  const switcher = $("[data-theme-switch]");
  const theme = () => root.getAttribute("data-bs-theme") || "";
  function showTheme() {
    const label = NAMES[theme()];
    switcher.title = label;
    $("[data-theme-name]", switcher).textContent = label;
    const icon = $("use", switcher);
    if (icon) icon.setAttribute("href", icon.getAttribute("href").replace(/#.*/, { "": "#circle-half", light: "#sun", dark: "#moon-stars" }[theme()]));
  }
  if (switcher) {
    switcher.hidden = false;
    showTheme();
    switcher.addEventListener("click", () => {
      const next = THEMES[(THEMES.indexOf(theme()) + 1) % THEMES.length];
      if (next) root.setAttribute("data-bs-theme", next);
      else root.removeAttribute("data-bs-theme");
      document.cookie = `theme=${next}; path=/; samesite=lax; max-age=${next ? 31536000 : 0}`;
      showTheme();
    });
  }

  // ---- dialogs: jump anywhere, list the keys
  const jump = $("#jump");
  const keys = $("#keys");
  function openJump() {
    if (!jump || !$("[data-jump]")) return;
    jump.showModal();
    const words = $("input", jump);
    words.select();
    if (window.htmx) window.htmx.trigger(words, "jump-opened");
  }
  for (const button of all("[data-show-keys]")) {
    button.hidden = false;
    button.addEventListener("click", () => keys.showModal());
  }
  for (const link of all("[data-jump]")) link.addEventListener("click", (event) => { if (jump) { event.preventDefault(); openJump(); } });
  for (const dialog of all("dialog")) dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });

  const found = () => all("#jump-found a");
  function chooseFound(step) {
    const links = found();
    if (!links.length) return;
    const now = links.findIndex((link) => link.getAttribute("aria-selected") === "true");
    const next = (now + step + links.length) % links.length;
    links.forEach((link, index) => link.setAttribute("aria-selected", String(index === next)));
    links[next].scrollIntoView({ block: "nearest" });
    $("input", jump).setAttribute("aria-activedescendant", links[next].id);
  }
  if (jump) {
    jump.addEventListener("keydown", (event) => {
      if (event.key === "ArrowDown" || event.key === "ArrowUp") {
        event.preventDefault();
        chooseFound(event.key === "ArrowDown" ? 1 : -1);
      } else if (event.key === "Enter") {
        const chosen = found().find((link) => link.getAttribute("aria-selected") === "true") || found()[0];
        if (chosen) { event.preventDefault(); location.assign(chosen.href); }
      }
    });
  }

  // ---- keys
  const typing = (target) => target.closest && target.closest("input, textarea, select, [contenteditable], dialog[open]");
  function follow(selector) {
    const target = $(selector);
    if (!target) return false;
    if (target.matches("input, textarea")) target.focus();
    else target.click();
    return true;
  }
  const PLAIN_KEYS = {
    "/": () => (openJump(), true),
    "?": () => (keys && keys.showModal(), true),
    s: () => follow("[data-key-search]"),
    f: () => { const fold = $("[data-key-filter]"); if (!fold) return false; fold.open = true; $("select", fold).focus(); return true; },
    n: () => follow("[data-key-new]"),
    e: () => follow("[data-key-edit]"),
    "[": () => follow("[data-key-previous]"),
    "]": () => follow("[data-key-next]"),
  };
  document.addEventListener("keydown", (event) => {
    const control = event.ctrlKey || event.metaKey;
    if (control && event.key.toLowerCase() === "k") { event.preventDefault(); openJump(); return; }
    if (control && event.key.toLowerCase() === "s") {
      const save = $("[data-key-save]");
      if (save) { event.preventDefault(); save.click(); }
      return;
    }
    if (control || event.altKey || typing(event.target)) return;
    const act = PLAIN_KEYS[event.key];
    if (act && act()) event.preventDefault();
  });

  // ---- parts of a page that may have come with it or were swapped in later
  function wire(within) {
    for (const button of all("[data-copy]", within)) {
      if (!navigator.clipboard) continue;
      button.hidden = false;
      button.addEventListener("click", async () => {
        await navigator.clipboard.writeText(button.dataset.copy);
        const label = $(".visually-hidden", button);
        const before = label.textContent;
        label.textContent = "Copied";
        button.title = "Copied";
        setTimeout(() => { label.textContent = before; button.title = before; }, 2000);
      });
    }
    for (const select of all("select[data-submit]", within)) select.addEventListener("change", () => select.form.requestSubmit());
    for (const hidden of all("[data-no-script-only]", within)) hidden.hidden = true;
    for (const form of all("form[data-operators]", within)) wireFilter(form);
    for (const form of all("form[data-guard]", within)) guard(form);
    for (const box of all("input[data-null-of]", within)) wireNull(box);
    for (const area of all("textarea[data-json]", within)) wireJson(area);
    for (const input of all("input[data-pick]", within)) wirePicker(input);
    for (const time of all("time[data-local]", within)) showLocal(time);
  }

  // The choice of operators follows the column, the field for the value follows the operator.
  function wireFilter(form) {
    const operators = JSON.parse(form.dataset.operators);
    const column = $("[name=column]", form);
    const operator = $("[name=op]", form);
    const value = $("[name=value]", form);
    const hint = $("[data-value-hint]", form);
    function showValue() {
      const chosen = operators[column.selectedOptions[0].dataset.group].find(([name]) => name === operator.value);
      value.closest("[data-value]").hidden = !chosen[2];
      value.disabled = !chosen[2];
      if (hint) hint.textContent = chosen[2] || "";
    }
    function showOperators() {
      const before = operator.value;
      const group = operators[column.selectedOptions[0].dataset.group];
      operator.replaceChildren(...group.map(([name, label]) => new Option(label, name, false, name === before)));
      showValue();
    }
    column.addEventListener("change", showOperators);
    operator.addEventListener("change", showValue);
    showOperators();
  }

  // Leaving a page with changes that were not saved asks first.
  function guard(form) {
    let changed = form.hasAttribute("data-changed");
    form.addEventListener("input", () => { changed = true; });
    form.addEventListener("change", () => { changed = true; });
    form.addEventListener("submit", () => { changed = false; });
    window.addEventListener("beforeunload", (event) => { if (changed) event.preventDefault(); });
  }

  // NULL is not the empty text: writing something takes NULL back, NULL puts the text aside.
  function wireNull(box) {
    const field = document.getElementById(box.dataset.nullOf);
    if (!field) return;
    let aside = "";
    field.addEventListener("input", () => { if (field.value !== "") box.checked = false; });
    box.addEventListener("change", () => {
      if (box.checked) { aside = field.value; field.value = ""; } else { field.value = aside; field.focus(); }
    });
  }

  function wireJson(area) {
    const message = document.getElementById(area.dataset.json);
    area.addEventListener("input", () => {
      let fault = "";
      if (area.value.trim()) try { JSON.parse(area.value); } catch (error) { fault = `Not JSON yet: ${error.message}`; }
      message.textContent = fault;
    });
  }

  function wirePicker(input) {
    if (!window.TomSelect) return;
    const label = input.dataset.label;
    const items = input.value ? [{ value: input.value, text: label || input.value }] : [];
    const note = input.parentElement.querySelector("[data-pick-label]");
    if (note) note.hidden = true;
    new window.TomSelect(input, {
      maxItems: 1, options: items, items: items.map((item) => item.value), valueField: "value", labelField: "text", searchField: [],
      create: false, persist: false, preload: "focus", loadThrottle: 150, allowEmptyOption: false, closeAfterSelect: true,
      plugins: [],
      load(words, done) {
        const address = new URL(input.dataset.pick, location.href);
        address.searchParams.set("q", words);
        fetch(address, { headers: { Accept: "application/json" }, credentials: "same-origin" })
          .then((answer) => (answer.ok ? answer.json() : []))
          .then((found) => { this.clearOptions((option) => this.items.includes(option.value)); done(found); })
          .catch(() => done());
      },
      score() { return () => 1; },
      render: {
        option(data, escape) { return `<div>${escape(data.text)}${data.text === data.value ? "" : ` <span class="key-quiet">${escape(data.value)}</span>`}</div>`; },
        item(data, escape) { return `<div>${escape(data.text)}${data.text === data.value ? "" : ` <span class="key-quiet">${escape(data.value)}</span>`}</div>`; },
        no_results() { return '<div class="no-results">Nothing found</div>'; },
      },
      onInitialize() { input.setAttribute("aria-hidden", "true"); },
      onChange() { input.dispatchEvent(new Event("change", { bubbles: true })); },
    });
  }

  // A moment with its zone is shown as the database has it, and in the reader's own zone when pointed at.
  function showLocal(time) {
    const moment = new Date(time.dateTime);
    if (!Number.isNaN(moment.getTime())) time.title = `${moment.toLocaleString()} (${Intl.DateTimeFormat().resolvedOptions().timeZone})`;
  }

  wire(document);
  document.body.addEventListener("htmx:load", (event) => { if (event.target !== document.body) wire(event.target); });
  document.body.addEventListener("htmx:responseError", (event) => {
    const place = $("#notices");
    if (!place) return;
    const note = document.createElement("div");
    note.className = "notice notice-danger";
    note.textContent = `That did not work (${event.detail.xhr.status}). Reload the page to see why.`;
    place.replaceChildren(note);
  });

  const invalid = $("#problems");
  if (invalid) invalid.focus();
})();
