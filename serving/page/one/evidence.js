// The evidence: which parts of the picture speak for the answer, and which for its rival.

import { $, number, options } from "../parts/dom.js";
import { hideTooltip, showTooltip } from "../parts/tooltip.js";
import { bundle } from "../service/bundle.js";

let shown = null; // the answer whose evidence lies over the picture

export function showEvidence(answer) {
  const { evidence, negative: rival, positive } = answer;
  shown = answer;
  $("evidence").hidden = false;
  const others = bundle.map.class_names.filter((name) => name !== answer.label);
  options($("rival"), others.map((name) => [name, name]), rival.label);
  for (const id of ["overlay", "legend", "controls"]) $(id).hidden = !evidence;
  if (!evidence) {
    $("sum").textContent = "This network does not end in pooling: it has no evidence map.";
    return;
  }
  $("overlay").src = `data:image/png;base64,${evidence.overlay_png}`;
  $("overlay").alt = `evidence for ${answer.label} (red) and against it, for ${rival.label} (blue)`;
  showOverlay();
  $("for").textContent = `for ${answer.label}`;
  $("against").textContent = `for ${rival.label}`;
  const sum = evidence.values.flat().reduce((a, b) => a + b, 0);
  $("sum").textContent =
    `The ${evidence.rows}×${evidence.cols} parts add up to ${number(sum)}, exactly the difference ` +
    `of the squared distances: ${number(rival.distance)}² − ${number(positive.distance)}².`;
}

function showOverlay() {
  $("overlay").hidden = !$("show").checked || !shown?.evidence;
  $("overlay").style.opacity = $("opacity").value / 100;
  $("opacity").disabled = !$("show").checked;
  $("opacity").ariaValueText = `${$("opacity").value} %`;
}

// The part of the map at the pointer. The map and the frame are the same square.
function showPart(event) {
  if (!shown?.evidence || $("overlay").hidden || document.body.classList.contains("other")) return;
  const { rows, cols, values } = shown.evidence;
  const box = $("frame").getBoundingClientRect();
  const row = Math.floor(((event.clientY - box.top) / box.height) * rows);
  const col = Math.floor(((event.clientX - box.left) / box.width) * cols);
  const value = values[row]?.[col];
  if (value === undefined) return hideTooltip();
  const side = value < 0 ? shown.negative.label : shown.label;
  showTooltip(event, `${number(Math.abs(value))} for ${side} (row ${row + 1}, column ${col + 1})`);
}

for (const id of ["show", "opacity"]) $(id).addEventListener("input", showOverlay);
$("frame").addEventListener("pointermove", showPart);
$("frame").addEventListener("pointerleave", hideTooltip);
