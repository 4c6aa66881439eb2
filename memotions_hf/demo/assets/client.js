// What happens in the visitor's browser only: the journal is kept, changed, listed and exported
// here, and its texts are never sent to the server for it. `MM_TEXTS` and `MM_EMOTIONS` are put
// before this file by app.py. Everything that a visitor wrote goes in as textContent.
window.mm = (() => {
  const MAX_BYTES = 2_500_000; // encrypted, over 3 MB of the 5 MB that browsers give a site
  const MAX_FILE_BYTES = 3_000_000; // an export of all that fits; the server takes 4 MB
  const PAGE = 20;
  const CHANGED = "memotions-journal-changed";
  const THEME = "memotions-theme";
  const DRAFT = "memotions-draft";
  // To Gradio, a change of nothing: what this tab knows is not written over what another one kept.
  const UNCHANGED = { __type__: "update" };
  const state = { current: null, pending: null, stale: false, shown: PAGE, history: [] };

  const lang = () => (document.documentElement.classList.contains("mm-english") ? "en" : "id");
  const say = (key, values = {}) =>
    MM_TEXTS[key][lang()].replace(/\{(\w+)\}/g, (_, name) => values[name]);
  const list = (history) => (Array.isArray(history) ? history : []);

  function element(tag, className, text) {
    const node = document.createElement(tag);
    if (className) node.className = className;
    if (text !== undefined) node.textContent = text;
    return node;
  }

  function status(id, text) {
    const place = document.querySelector(`#${id} .mm-status`);
    if (place) place.textContent = text;
  }

  // Time and language

  function localTime(date = new Date()) {
    const pad = (number) => String(number).padStart(2, "0");
    const offset = -date.getTimezoneOffset();
    const zone = `${offset < 0 ? "-" : "+"}${pad(Math.trunc(Math.abs(offset) / 60))}:${pad(Math.abs(offset) % 60)}`;
    const day = `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}`;
    return `${day}T${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}${zone}`;
  }

  function shownTime(at) {
    const locale = lang() === "en" ? "en-GB" : "id-ID";
    return new Date(at).toLocaleString(locale, { dateStyle: "long", timeStyle: "short" });
  }

  function language(name) {
    document.documentElement.classList.toggle("mm-english", name === "en");
    document.documentElement.lang = name;
    const button = document.querySelector("#mm-theme");
    if (button) button.setAttribute("aria-label", say("theme"));
    listEntries();
  }

  function theme(name) {
    const dark = name ? name === "dark" : !document.body.classList.contains("dark");
    document.body.classList.toggle("dark", dark);
    if (!name) localStorage.setItem(THEME, dark ? "dark" : "light");
  }

  // The journal

  function changed() {
    localStorage.setItem(CHANGED, String(Date.now()));
  }

  function fits(history) {
    return new TextEncoder().encode(JSON.stringify(history)).length <= MAX_BYTES;
  }

  function identifier() {
    // Not crypto.randomUUID: it is missing where the page is served without https.
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    const digits = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
    return digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
  }

  function keep(history, reply) {
    history = list(history);
    if (state.stale) {
      sessionStorage.setItem(DRAFT, reply.text);
      status("mm-kept", say("stale"));
      return UNCHANGED;
    }
    const entry = {
      id: identifier(),
      at: localTime(),
      text: reply.text.trim(),
      emotions: reply.emotions,
      vote: null,
    };
    const longer = [...history, entry];
    if (!fits(longer)) {
      status("mm-kept", say("full"));
      return UNCHANGED;
    }
    state.current = entry.id;
    changed();
    status("mm-kept", say("kept"));
    return longer;
  }

  // On a phone the answer lies below what is seen.
  function showAnswer() {
    const answer = document.querySelector("#mm-answer");
    const calm = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
    answer.scrollIntoView({ behavior: calm ? "auto" : "smooth", block: "start" });
  }

  function save(history, reply, wanted) {
    state.current = null;
    status("mm-kept", "");
    status("mm-voted", "");
    showAnswer();
    document.body.dataset.mmRead = String(Number(document.body.dataset.mmRead ?? 0) + 1);
    if (!reply || !wanted || reply.crisis) return UNCHANGED;
    return keep(history, reply);
  }

  function vote(history, value) {
    history = list(history);
    const known = history.some((entry) => entry.id === state.current);
    status("mm-voted", say(known ? "voted" : "vote_unkept"));
    if (!known || state.stale) return UNCHANGED;
    changed();
    return history.map((entry) => (entry.id === state.current ? { ...entry, vote: value } : entry));
  }

  async function remove(history) {
    const id = state.pending;
    state.pending = null;
    if (!id || state.stale || !(await confirmed(say("delete_one")))) return UNCHANGED;
    changed();
    return list(history).filter((entry) => entry.id !== id);
  }

  async function clear(history) {
    const count = list(history).length;
    if (!count || !(await confirmed(say("delete_all", { count })))) return UNCHANGED;
    changed();
    return [];
  }

  function join(history, imported) {
    history = list(history);
    if (!imported || !Array.isArray(imported.entries) || state.stale) return UNCHANGED;
    const known = new Set(history.map((entry) => entry.id));
    const fresh = imported.entries.filter((entry) => !known.has(entry.id));
    const together = [...history, ...fresh].sort((a, b) => Date.parse(a.at) - Date.parse(b.at));
    if (!fits(together)) {
      status("mm-imported", say("full"));
      return UNCHANGED;
    }
    changed();
    const same = imported.already_there;
    status("mm-imported", say("imported", { count: fresh.length, same }));
    return together;
  }

  const ids = (history) => list(history).map((entry) => entry.id);

  // For drawing the server gets when an entry was written and its emotion, never what it says.
  function points(history) {
    return {
      today: localTime().slice(0, 10),
      points: list(history).map((entry) => ({
        at: entry.at, label: entry.emotions?.[0]?.label ?? null,
      })),
    };
  }

  // The same, once an entry has been kept: the server says which achievements it reached.
  const newest = (history) => (state.current ? points(history) : null);

  // The list of entries

  function listEntries(history, tries = 40) {
    if (history !== undefined) state.history = list(history);
    const place = document.querySelector("#mm-entries .mm-entries");
    if (!place) {
      // A tab is put together when it is first opened, a little after it says so.
      if (tries) setTimeout(() => listEntries(undefined, tries - 1), 50);
      return;
    }
    const newest = [...state.history].reverse();
    place.replaceChildren(...newest.slice(0, state.shown).map(entryCard));
    const left = newest.length - state.shown;
    if (left > 0) place.append(moreButton(Math.min(left, PAGE)));
    document.body.classList.toggle("mm-has-entries", newest.length > 0);
  }

  function entryCard(entry) {
    const card = element("li", "mm-entry");
    const head = element("div", "mm-entry-head");
    const label = entry.emotions?.[0]?.label;
    const known = Object.hasOwn(MM_EMOTIONS, label ?? "");
    const name = known ? MM_EMOTIONS[label][lang()] : say("no_emotion");
    const time = element("time", "mm-entry-time", shownTime(entry.at));
    time.dateTime = entry.at;
    head.append(time, element("span", `mm-chip mm-chip-${known ? label : "none"}`, name));
    if (entry.vote) {
      const text = say(entry.vote > 0 ? "helpful" : "not_helpful");
      head.append(element("span", "mm-entry-vote", `${entry.vote > 0 ? "👍" : "👎"} ${text}`));
    }
    const bin = element("button", "mm-entry-delete", say("delete"));
    bin.type = "button";
    bin.setAttribute("aria-label", say("delete_label", { when: shownTime(entry.at) }));
    bin.addEventListener("click", () => {
      state.pending = entry.id;
      document.querySelector("#mm-remove").click();
    });
    head.append(bin);
    card.append(head, element("p", "mm-entry-text", entry.text));
    return card;
  }

  function moreButton(count) {
    const row = element("li", "mm-entry-more");
    const button = element("button", "mm-quiet", say("more", { count }));
    button.type = "button";
    button.addEventListener("click", () => {
      state.shown += PAGE;
      listEntries();
    });
    row.append(button);
    return row;
  }

  // window.confirm is blocked inside the frame in which the Hub shows a Space.
  function confirmed(question) {
    const dialog = element("dialog", "mm-dialog");
    const text = element("p", "", question);
    text.id = "mm-question";
    dialog.setAttribute("aria-labelledby", text.id);
    const buttons = element("div", "mm-dialog-buttons");
    const no = element("button", "mm-quiet", say("no"));
    const yes = element("button", "mm-danger", say("yes"));
    no.addEventListener("click", () => dialog.close("no"));
    yes.addEventListener("click", () => dialog.close("yes"));
    buttons.append(no, yes);
    dialog.append(text, buttons);
    document.body.append(dialog);
    dialog.showModal();
    return new Promise((resolve) => {
      dialog.addEventListener("close", () => {
        dialog.remove();
        resolve(dialog.returnValue === "yes");
      });
    });
  }

  // Export and import

  function download(name, type, content) {
    const link = element("a");
    link.href = URL.createObjectURL(new Blob([content], { type }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  }

  function exportJson(history) {
    const content = { app: "memotions", version: 1, entries: list(history) };
    download(fileName("json"), "application/json", JSON.stringify(content));
  }

  function exportCsv(history) {
    const rows = list(history).map((entry) => [
      entry.id, entry.at, entry.emotions?.[0]?.label ?? "", entry.emotions?.[0]?.score ?? "",
      entry.text, entry.vote ?? "",
    ]);
    const lines = [["id", "at", "emotion", "score", "text", "vote"], ...rows];
    const content = lines.map((row) => row.map(cell).join(",")).join("\r\n");
    download(fileName("csv"), "text/csv", `\ufeff${content}\r\n`);
  }

  // A cell that begins with one of these is a formula to a spreadsheet.
  function cell(value) {
    const text = String(value);
    const harmless = typeof value === "string" && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
    return /[",\r\n]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
  }

  function fileName(ending) {
    return `perjalanan-memotions-${localTime().slice(0, 10)}.${ending}`;
  }

  function chooseFile() {
    const input = element("input");
    input.type = "file";
    input.accept = ".json,.csv,application/json,text/csv";
    return new Promise((resolve) => {
      input.addEventListener("cancel", () => resolve(""));
      input.addEventListener("change", async () => {
        const [file] = input.files;
        const fits = file.size <= MAX_FILE_BYTES;
        status("mm-imported", fits ? "" : say("too_large"));
        resolve(fits ? await file.text() : "");
      });
      input.click();
    });
  }

  // At the start

  document.documentElement.lang = "id";
  window.addEventListener("storage", (event) => {
    if (event.key === CHANGED) state.stale = true;
  });
  document.addEventListener("click", (event) => {
    if (event.target.closest("#mm-theme")) theme();
  });

  // Gradio has put the page together, and chosen light or dark by the system, when it calls this.
  function start(settings) {
    const wanted = localStorage.getItem(THEME);
    if (wanted) theme(wanted);
    const draft = sessionStorage.getItem(DRAFT) ?? "";
    sessionStorage.removeItem(DRAFT);
    document.body.dataset.mmReady = "1";
    return [settings && settings.language === "en" ? "en" : "id", draft || UNCHANGED];
  }

  return {
    language, save, keep, vote, remove, clear, join, ids, points, newest, listEntries, exportJson,
    exportCsv, chooseFile, start,
  };
})();
