// The evidence: which parts of the picture speak for the answer, and which for its rival.

import { $, number, options } from "../parts/dom.js";
import { groupName } from "../parts/reasons.js";
import { hideTooltip, showTooltip } from "../parts/tooltip.js";
import { bundle } from "../service/bundle.js";

let shown = null; // the answer whose evidence lies over the picture
let asked = null; // its question
let part = null; // what lies over it: {map, for, against, sum}

export function showEvidence(answer, question) {
  const { evidence, negative: rival } = answer;
  [shown, asked] = [answer, question];
  $("evidence").hidden = false;
  const others = bundle.map.class_names.filter((name) => name !== answer.label);
  options($("rival"), others.map((name) => [name, name]), rival.label);
  for (const id of ["overlay", "legend", "controls"]) $(id).hidden = !evidence;
  $("of-group-field").hidden = !answer.group_evidence;
  if (!answer.group_evidence) $("of-group").checked = false;
  if (evidence) draw();
  else $("sum").textContent = "This network does not end in pooling: it has no evidence map.";
}

function draw() {
  const ofGroup = $("of-group").checked;
  $("fine").disabled = ofGroup; // a group has the plain map alone
  part = ofGroup ? groupPart(shown) : classPart(shown, $("fine").checked);
  $("overlay").src = `data:image/png;base64,${part.map.overlay_png}`;
  $("overlay").alt = `evidence for ${part.for} (red) and against it, for ${part.against} (blue)`;
  showOverlay();
  $("for").textContent = `for ${part.for}`;
  $("against").textContent = `for ${part.against}`;
  $("sum").textContent = part.sum;
}

function classPart({ label, evidence, fine_evidence: fine, negative, positive }, wantsFine) {
  const map = (wantsFine && fine) || evidence;
  let sum = `${total(map)}, exactly the difference of the squared distances: ` +
    `${number(negative.distance)}² − ${number(positive.distance)}².`;
  if (map === fine) {
    sum += ` Each ${fine.factor}×${fine.factor} of them add up to exactly one of the ` +
      `${evidence.rows}×${evidence.cols} parts of the plain map; how they share it is an estimate.`;
  } else if (wantsFine && asked.fine) {
    sum += " There is no finer map: its parts would be smaller than a pixel, or too small to see.";
  }
  return { map, for: label, against: negative.label, sum };
}

function groupPart({ group, group_evidence: map }) {
  const sum = `${total(map)}, exactly the mean squared distance to the prototypes of all other ` +
    `classes less that to the prototypes of ${groupName(group)}.`;
  return { map, for: "the group", against: "the other classes", sum };
}

const total = ({ rows, cols, values }) =>
  `The ${rows}×${cols} parts add up to ${number(values.flat().reduce((a, b) => a + b, 0))}`;

function showOverlay() {
  $("overlay").hidden = !$("show").checked || !shown?.evidence;
  $("overlay").style.opacity = $("opacity").value / 100;
  $("opacity").disabled = !$("show").checked;
  $("opacity").ariaValueText = `${$("opacity").value} %`;
}

// The part of the map at the pointer. The map and the frame are the same square.
function showPart(event) {
  if (!shown?.evidence || $("overlay").hidden || document.body.classList.contains("other")) return;
  const { rows, cols, values } = part.map;
  const box = $("frame").getBoundingClientRect();
  const row = Math.floor(((event.clientY - box.top) / box.height) * rows);
  const col = Math.floor(((event.clientX - box.left) / box.width) * cols);
  const value = values[row]?.[col];
  if (value === undefined) return hideTooltip();
  const side = value < 0 ? part.against : part.for, size = Math.abs(value);
  showTooltip(event, `${number(size, size < 0.1 ? 4 : 1)} for ${side} (row ${row + 1}, column ${col + 1})`);
}

// `askFiner()` asks for the finer map of the answer on the page.
export function evidenceControls(askFiner) {
  $("of-group").addEventListener("change", draw);
  $("fine").addEventListener("change", () => {
    if ($("fine").checked && shown && !asked.fine) askFiner();
    else if (shown?.evidence) draw();
  });
}

for (const id of ["show", "opacity"]) $(id).addEventListener("input", showOverlay);
$("frame").addEventListener("pointermove", showPart);
$("frame").addEventListener("pointerleave", hideTooltip);
