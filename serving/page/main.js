// The explorer: a picture, its answer, and what stands behind it.

import { get, post, thumbnailBlob, thumbnailUrl } from "./api.js";
import { $, colour, element, number } from "./dom.js";
import { Sphere } from "./sphere.js";

const EXAMPLES = 10, BROWSED = 16, SAMPLES = 10;
const VERDICTS = {
  accept: ["accepted", "Near enough to its prototype, and clear enough of the others."],
  ambiguous: ["ambiguous", "Two prototypes are about equally near: look at both."],
  none_of_these: ["none of these", "Too far from the nearest prototype, or too unlike the training images."],
};

let map, prototypes, sphere;
let picture = null; // the Blob that was asked about last
let latest = 0; // only the answer to the last question is shown

async function start() {
  [map, prototypes] = await Promise.all([get("/map"), post("/prototypes")]);
  $("model").textContent = `${map.model.name} · ${map.model.fingerprint.slice(0, 12)}`;
  $("model").title = `fingerprint ${map.model.fingerprint}`;
  $("kept").textContent = map.kept < 0.999
    ? `It shows the three strongest directions: ${number(100 * map.kept, 0)} % of the space.` : "";
  sphere = new Sphere($("sphere"), map, { pointed: showPointed, chosen: browse });
  $("sphere").ariaLabel =
    `${map.ids.length} training images around ${map.class_names.length} prototypes on a sphere`;
  sphere.draw();
  showSamples();
  showClasses();
}

// Runs work and shows what goes wrong in words.
async function attempt(work) {
  $("problem").hidden = true;
  try {
    await work();
  } catch (error) {
    $("problem").textContent = error.message;
    $("problem").hidden = false;
    $("problem").scrollIntoView({ block: "nearest" });
  }
}

async function ask(blob, rival = null) {
  const number = ++latest;
  document.body.classList.add("busy");
  try {
    const answer = await post("/explain", { image: blob, k: EXAMPLES, rival });
    if (number !== latest) return;
    if (blob !== picture) showPicture(blob);
    showAnswer(answer);
    showEvidence(answer);
    showBehind(answer);
    sphere.selected = null;
    sphere.show({ point: answer.point, positive: answer.index, rival: answer.negative.index });
  } finally {
    if (number === latest) document.body.classList.remove("busy");
  }
}

function showPicture(blob) {
  picture = blob;
  const image = $("picture");
  URL.revokeObjectURL(image.src);
  image.src = URL.createObjectURL(blob);
  image.onload = () => image.classList.toggle("pixels", image.naturalWidth <= 64);
  image.hidden = false;
  $("blank").hidden = true;
}

function showAnswer(answer) {
  const [word, meaning] = VERDICTS[answer.verdict];
  $("empty").hidden = true;
  $("verdict").hidden = false;
  $("label").textContent = answer.label;
  $("badge").textContent = word;
  $("badge").dataset.verdict = answer.verdict;
  const [positive, negative] = answer.prototypes; // the nearest two, whatever was asked
  const margin = negative.distance - positive.distance;
  $("sentence").textContent =
    `${meaning} That of ${positive.label} is ${number(positive.distance)} away, that of ` +
    `${negative.label} ${number(negative.distance)}: a margin of ${number(margin)}. ` +
    (answer.novelty ? `Colours and textures add a novelty of ${number(answer.novelty)}. ` : "") +
    `Probability ${number(100 * answer.probability)} %.`;
  const rows = [...answer.prototypes];
  if (!rows.some((row) => row.index === answer.negative.index)) rows.push(answer.negative);
  const longest = Math.max(...rows.map((row) => row.distance));
  $("bars").replaceChildren(...rows.map((row) => bar(row, longest, answer)));
}

function bar(row, longest, answer) {
  const fill = element("span", { className: "fill" });
  fill.style.width = `${(100 * row.distance) / longest}%`;
  const role = { [answer.index]: "for", [answer.negative.index]: "against" }[row.index];
  if (role) fill.classList.add(role);
  const own = row.index === answer.index;
  const button = element("button", {
    type: "button",
    disabled: own,
    title: own ? "the answer" : `why not ${row.label}?`,
    ariaPressed: String(row.index === answer.negative.index),
    onclick: () => attempt(() => ask(picture, row.label)),
  },
    element("span", { className: "name" }, row.label),
    element("span", { className: "track" }, fill),
    element("span", { className: "value" }, number(row.distance)),
  );
  return element("li", {}, button);
}

function showEvidence(answer) {
  const { evidence, negative: rival, positive } = answer;
  $("evidence").hidden = false;
  $("rival").replaceChildren(...map.class_names.filter((name) => name !== answer.label).map(
    (name) => element("option", { value: name, selected: name === rival.label }, name)));
  for (const id of ["overlay", "sum"]) $(id).hidden = !evidence;
  if (!evidence) {
    $("sum").hidden = false;
    $("sum").textContent = "This network does not end in pooling: it has no evidence map.";
    return;
  }
  $("overlay").src = `data:image/png;base64,${evidence.overlay_png}`;
  $("overlay").alt = `evidence for ${answer.label} (red) and against it, for ${rival.label} (blue)`;
  $("overlay").hidden = !$("show").checked;
  $("for").textContent = `for ${answer.label}`;
  $("against").textContent = `for ${rival.label}`;
  const sum = evidence.values.flat().reduce((a, b) => a + b, 0);
  $("sum").textContent =
    `The ${evidence.rows}×${evidence.cols} parts add up to ${number(sum)}, exactly the difference ` +
    `of the squared distances: ${number(rival.distance)}² − ${number(positive.distance)}².`;
}

function showBehind(answer) {
  $("behind").hidden = false;
  $("examples").replaceChildren(
    group(`Nearest to the prototype of ${answer.label}`, answer.positive_examples, answer.index),
    group(`Nearest to the prototype of ${answer.negative.label}`, answer.negative_examples, answer.negative.index),
    group("Nearest to this picture", answer.neighbours, null),
  );
}

function group(title, examples, index) {
  const dot = element("span", { className: "dot" });
  dot.style.background = index === null ? "var(--ink)" : colour(index, map.class_names.length);
  return element("div", { className: "group" },
    element("h3", {}, dot, title),
    element("ul", {}, ...examples.map((example) => element("li", {}, exampleButton(example)))));
}

function exampleButton({ id, label, distance }) {
  const image = element("img", { alt: "" });
  attempt(async () => (image.src = await thumbnailUrl(id)));
  image.onload = () => image.classList.toggle("pixels", image.naturalWidth <= 64);
  const caption = distance === undefined ? label : `${label} · ${number(distance)}`;
  return element("button", {
    type: "button",
    className: "example",
    title: `training image ${id}: ask about it`,
    onclick: () => attempt(async () => ask(await thumbnailBlob(id))),
  }, image, element("span", {}, caption));
}

function showSamples() {
  const rows = Array.from({ length: Math.min(SAMPLES, map.ids.length) }, () =>
    Math.floor(Math.random() * map.ids.length));
  $("samples").replaceChildren(...rows.map((row) =>
    exampleButton({ id: map.ids[row], label: map.class_names[map.labels[row]] })));
}

function showClasses() {
  $("classes").replaceChildren(...map.class_names.map((name, index) => {
    const dot = element("span", { className: "dot" });
    dot.style.background = colour(index, map.class_names.length);
    return element("button", { type: "button", onclick: () => browse(index) }, dot, name);
  }));
}

function browse(index) {
  return attempt(async () => {
    const { label, rival } = prototypes.prototypes[index];
    const found = await post("/similar", { prototype: label, k: BROWSED });
    [...$("classes").children].forEach((button, i) => (button.ariaPressed = String(i === index)));
    const title = `${label}: its training images, nearest to the prototype first. Its nearest ` +
      `rival is ${rival.label}, ${number(rival.distance)} away (${number(rival.angle_deg)}°).`;
    $("prototype").replaceChildren(group(title, found.results, index));
    sphere.select(index);
  });
}

let pointedAt = null;

function showPointed(hit) {
  const line = $("pointed");
  if (hit === pointedAt) return;
  pointedAt = hit;
  if (!hit) return line.replaceChildren();
  if (hit.index !== undefined) {
    return line.replaceChildren(`the prototype of ${map.class_names[hit.index]}: press to see its images`);
  }
  const image = element("img", { alt: "" });
  attempt(async () => (image.src = await thumbnailUrl(map.ids[hit.row])));
  line.replaceChildren(image, `training image ${map.ids[hit.row]}: ${map.class_names[map.labels[hit.row]]}`);
}

function take(files) {
  const file = [...(files ?? [])].find((f) => f.type.startsWith("image/")) ?? files?.[0];
  if (file) attempt(() => ask(file));
}

$("file").addEventListener("change", (event) => {
  take(event.target.files);
  event.target.value = ""; // the same file again is a question again
});
for (const kind of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    $("drop").classList.toggle("over", kind === "dragover");
    if (kind === "drop") take(event.dataTransfer.files);
  });
}
document.addEventListener("paste", (event) => take(event.clipboardData.files));
$("others").addEventListener("click", showSamples);
$("show").addEventListener("change", () => ($("overlay").hidden = !$("show").checked));
$("rival").addEventListener("change", () => attempt(() => ask(picture, $("rival").value)));

attempt(start);
