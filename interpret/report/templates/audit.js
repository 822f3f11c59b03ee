"use strict";
const $ = (selector) => document.querySelector(selector);
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const COLUMNS = ["source", "label", "decision", "new_label", "kind", "probability"];
// Decisions by source: those of earlier audits first, so that one file grows from audit to audit.
const decisions = new Map();
for (const each of JSON.parse($("#earlier").textContent)) decisions.set(each.source, each);
const earlier = new Set(decisions.keys());
// Unsaved work outlives a closed tab where the browser allows it: some keep nothing for a file.
const STORE = `dpnp-decisions ${location.pathname} ${document.title}`;
try {
  for (const each of JSON.parse(localStorage.getItem(STORE) || "[]")) decisions.set(each.source, each);
} catch { /* nothing is kept */ }

function decide(field, choice) {
  const { source, label, probability } = field.dataset;
  const before = decisions.get(source);
  const renamed = choice === "relabel" ? all("select", field)[0].value : "";
  if (before && before.decision === choice && (before.new_label || "") === renamed) {
    decisions.delete(source);
  } else {
    decisions.set(source, {
      // What the picture was labelled before any decision is what its file still says.
      source, label: earlier.has(source) ? before?.label ?? "" : label, decision: choice,
      new_label: renamed, kind: field.closest(".finding").dataset.kind,
      probability: probability === "" ? null : Number(probability),
    });
  }
  try {
    localStorage.setItem(STORE, JSON.stringify([...decisions.values()]));
  } catch { /* nothing is kept */ }
  draw();
}

function draw() {
  for (const field of all(".decide")) {
    const made = decisions.get(field.dataset.source);
    for (const button of all("button", field)) {
      button.setAttribute("aria-pressed", String(made?.decision === button.dataset.choice));
    }
    if (made?.decision === "relabel") all("select", field)[0].value = made.new_label;
  }
  const [kind, name, open] = [$("#kind").value, $("#class").value, $("#open").checked];
  let shown = 0;
  for (const finding of all(".finding")) {
    const fields = all(".decide", finding);
    const rather = all(".for", finding).map((span) => span.textContent);
    const names = [...fields.map((field) => field.dataset.label), ...rather];
    finding.hidden = (kind && finding.dataset.kind !== kind) || (name && !names.includes(name))
      || (open && fields.every((field) => decisions.has(field.dataset.source)));
    shown += finding.hidden ? 0 : 1;
  }
  for (const section of all("section")) section.hidden = kind && section.dataset.kind !== kind;
  $("#shown").textContent = `${shown} of ${all(".finding").length} shown`;
  $("#count").textContent = `${decisions.size} decided`;
  for (const button of [$("#csv"), $("#json")]) button.disabled = decisions.size === 0;
}

function save(name, type, text) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

function asCsv() {
  const quoted = (value) => `"${String(value ?? "").replaceAll('"', '""')}"`;
  const lines = [...decisions.values()].map((each) => COLUMNS.map((c) => quoted(each[c])).join(","));
  return [COLUMNS.join(","), ...lines, ""].join("\n");
}

document.addEventListener("click", (event) => {
  const choice = event.target.closest(".decide button");
  if (choice) decide(choice.closest(".decide"), choice.dataset.choice);
  const opened = event.target.closest(".finding .enlarge");
  if (opened) {
    const copies = all(".pair > div", opened.closest(".finding")).map((each) => {
      const copy = document.createElement("div");
      copy.append(all("img", each)[0].cloneNode(), all(".what", each)[0].cloneNode(true));
      return copy;
    });
    all(".pair", $("#large"))[0].replaceChildren(...copies);
    $("#large").showModal();
  }
});
document.addEventListener("change", (event) => {
  const field = event.target.closest(".decide");
  // Another class in the list of a picture that is relabelled is another decision.
  if (!field || decisions.get(field.dataset.source)?.decision !== "relabel") draw();
  else decide(field, "relabel");
});
$("#close").addEventListener("click", () => $("#large").close());
$("#csv").addEventListener("click", () => save("decisions.csv", "text/csv", asCsv()));
$("#json").addEventListener("click", () => {
  const text = JSON.stringify({ decisions: [...decisions.values()] }, null, 1);
  save("decisions.json", "application/json", `${text}\n`);
});
draw();
