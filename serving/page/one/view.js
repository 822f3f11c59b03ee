// One picture: takes it, and joins answer, sphere and classes.

import { change } from "../parts/address.js";
import { $, count, element, keepFocus, number } from "../parts/dom.js";
import { attempt } from "../parts/problem.js";
import { groupWords } from "../parts/reasons.js";
import { hideTooltip, showTooltip } from "../parts/tooltip.js";
import { headline, VERDICTS } from "../parts/verdicts.js";
import { bundle, hasPictures } from "../service/bundle.js";
import { thumbnailImage } from "../service/thumbnails.js";
import { exampleButton, showAnswer, showBehind } from "./answer.js";
import { browse, browsed, onClass, showClasses } from "./classes.js";
import { showCorrection } from "./correction.js";
import { evidenceControls, showEvidence } from "./evidence.js";
import { showGalleryNote } from "./gallery_note.js";
import { setHandover } from "./handover_row.js";
import { ask, asked, askFiner, askOriginal, askRival, askTrainingImage, onAnswerShown } from "./question.js";
import { Sphere } from "./sphere.js";

const SAMPLES = 10;
const sphere = new Sphere($("sphere"), {
  pointed: showPointed,
  chosen: ({ index, row }) => {
    if (index !== undefined) browse(index);
    else if (hasPictures()) attempt(() => askTrainingImage(bundle.map.ids[row]));
  },
});

export function askFile(file, more = {}) {
  return attempt(() => ask({ blob: file, name: file.name, file: file.name, rival: null, ...more }));
}

export function showBundle(first) {
  const { map } = bundle;
  $("kept").textContent = map.kept < 0.999
    ? `It shows the three strongest directions: ${number(100 * map.kept, 0)} % of the space.` : "";
  $("sphere").ariaLabel = `${count(map.ids.length, "training image")} around ` +
    `${count(map.class_names.length, "prototype")} on a sphere`;
  sphere.setMap(map);
  hideTooltip();
  showGalleryNote();
  showSamples();
  showClasses();
  if (first) return;
  // What was on the page is asked of the new bundle. An id may be another image's now.
  const index = map.class_names.indexOf(browsed.label);
  if (index >= 0) browse(index);
  if (!asked.question) return;
  const { blob, name, rival, item } = asked.question;
  change({ gallery: null });
  attempt(() => ask({
    blob, name, item, file: asked.question.file,
    rival: map.class_names.includes(rival) ? rival : null,
  }));
}

// What a link says: a class, a training image and its rival.
export function restore({ class: label, gallery, rival = null }) {
  const index = bundle.map.class_names.indexOf(label);
  if (index >= 0 && label !== browsed.label) browse(index);
  const same = String(asked.question?.gallery) === gallery && asked.question.rival === rival;
  if (gallery === undefined || same) return;
  attempt(() => askTrainingImage(Number(gallery), { rival, step: false }));
}

function showSamples() {
  const { ids, labels, class_names: names } = bundle.map;
  const rows = Array.from({ length: Math.min(SAMPLES, ids.length) }, () =>
    Math.floor(Math.random() * ids.length));
  keepFocus(() => $("samples").replaceChildren(...rows.map((row, place) =>
    exampleButton({ id: ids[row], label: names[labels[row]] }, `sample:${place}`))), $("others"));
}

function showPointed(hit, event) {
  if (!hit) return hideTooltip();
  const { map } = bundle;
  if (hit.index !== undefined) {
    delete $("tooltip").dataset.id;
    return showTooltip(event, `the prototype of ${map.class_names[hit.index]}`);
  }
  const id = map.ids[hit.row];
  if ($("tooltip").dataset.id !== String(id) || $("tooltip").hidden) {
    $("tooltip").dataset.id = id;
    showTooltip(event, ...(hasPictures() ? [thumbnailImage(id)] : []),
      element("span", {}, `${map.class_names[map.labels[hit.row]]} · training image ${id}`));
  }
}

onAnswerShown((answer, question) => {
  keepFocus(() => {
    showAnswer(answer);
    showEvidence(answer, question);
    showBehind(answer);
    showCorrection(answer, question);
    setHandover(answer, question);
  }, $("answer-title"));
  $("spoken").textContent = `${headline(answer)}: ${VERDICTS[answer.verdict].meaning}` +
    (answer.group ? ` ${groupWords(answer)}` : "");
  sphere.selected = null;
  sphere.show({ point: answer.point, positive: answer.index, rival: answer.negative.index });
  peek();
});
onClass((index) => sphere.select(index));

// An answer out of sight is told at the edge of the window.
let inSight = true;
function peek() {
  $("peek").hidden = inSight || $("verdict").hidden;
}
new IntersectionObserver(([entry]) => {
  inSight = entry.isIntersecting || !entry.boundingClientRect.height;
  peek();
}).observe($("headline"));
$("peek").addEventListener("click", () => {
  $("answer").scrollIntoView({ block: "start" });
  $("answer-title").focus({ preventScroll: true });
});

evidenceControls(() => attempt(askFiner));
$("others").addEventListener("click", showSamples);
$("rival").addEventListener("change", () => attempt(() => askRival($("rival").value)));
$("original").addEventListener("click", () => attempt(askOriginal));
