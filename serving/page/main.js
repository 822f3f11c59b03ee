// The explorer: a picture, its answer, and what stands behind it.

import { ApiError, get, look, onAnswer, post } from "./api.js";
import { $, element, number, pause } from "./dom.js";
import { Sphere } from "./sphere.js";
import { forgetThumbnails, thumbnail, thumbnailImage } from "./thumbnails.js";

const EXAMPLES = 10, BROWSED = 16, SAMPLES = 10;
const LOOK = 10_000; // milliseconds between two looks at which bundle is served
const FOLLOW = 500, ROUNDS = 60; // until all workers serve the same one
const VERDICTS = {
  accept: ["accepted", "The picture is near enough to its prototype, and far enough from the others."],
  ambiguous: ["ambiguous", "Two prototypes are about equally near: compare both."],
  none_of_these: ["none of these", "The picture is too far from the nearest prototype, or too unlike the training images."],
};

let map = null, prototypes, sphere;
let question = null; // {blob, rival}, what was asked last
let answered = null; // {blob, rival}, what the answer on the page is about
let browsed = null; // the label of the prototype whose images are shown
let latest = 0; // only the answer to the last question is shown

// All that is on the page comes from one bundle. When an answer comes from another, everything is
// read anew, and asked anew.
let reading = null;

function read() {
  reading ??= readAll().finally(() => (reading = null));
  return reading;
}

onAnswer((fingerprint) => {
  if (map && fingerprint !== map.model.fingerprint && !reading) attempt(replace);
});

async function replace() {
  await read();
  const index = map.class_names.indexOf(browsed);
  if (index >= 0) browse(index);
  if (!question) return;
  const { blob, rival } = question;
  attempt(() => ask(blob, map.class_names.includes(rival) ? rival : null));
}

// Whether what was asked while `asked` was the map belongs to the bundle on the page. If it does
// not, it is asked again.
const current = (asked) => asked === map && !reading;

async function readAll() {
  const [newMap, newPrototypes] = await readPair();
  map = newMap;
  prototypes = newPrototypes;
  forgetThumbnails();
  show();
}

// Workers take a new bundle over one by one, so one request may find the old one still.
async function readPair() {
  for (let round = 0; round < ROUNDS; round++) {
    if (map || round) await pause(FOLLOW);
    const pair = await Promise.all([get("/map"), post("/prototypes")]);
    if (pair[0].model.fingerprint === pair[1].model.fingerprint) return pair;
  }
  throw new ApiError("the service's workers serve different bundles; try again later");
}

function show() {
  $("model").textContent = `${map.model.name} · ${map.model.fingerprint.slice(0, 12)}`;
  $("model").title = `fingerprint ${map.model.fingerprint}`;
  $("kept").textContent = map.kept < 0.999
    ? `It shows the three strongest directions: ${number(100 * map.kept, 0)} % of the space.` : "";
  $("sphere").ariaLabel =
    `${map.ids.length} training images around ${map.class_names.length} prototypes on a sphere`;
  sphere.setMap(map);
  showPointed(null);
  $("prototype").replaceChildren();
  showSamples();
  showClasses();
}

// Runs work and shows what goes wrong in words.
async function attempt(work) {
  const asked = map;
  $("problem").hidden = true;
  try {
    await work();
  } catch (error) {
    if (!current(asked)) return;
    $("problem").textContent = error.message;
    $("problem").hidden = false;
    $("problem").scrollIntoView({ block: "nearest" });
  }
}

async function ask(blob, rival = null) {
  const number = ++latest, asked = map;
  question = { blob, rival };
  document.body.classList.add("busy");
  try {
    const answer = await post("/explain", { image: blob, k: EXAMPLES, rival });
    if (number !== latest || !current(asked)) return;
    if (blob !== answered?.blob) showPicture(blob);
    answered = question;
    showAnswer(answer);
    showEvidence(answer);
    showBehind(answer);
    sphere.selected = null;
    sphere.show({ point: answer.point, positive: answer.index, rival: answer.negative.index });
  } catch (error) {
    if (number === latest && current(asked)) question = answered;
    throw error;
  } finally {
    if (number === latest) document.body.classList.remove("busy");
  }
}

function showPicture(blob) {
  const image = $("picture");
  URL.revokeObjectURL(image.src);
  image.src = URL.createObjectURL(blob);
  image.onload = () => image.classList.toggle("pixels", image.naturalWidth <= 64);
  image.dataset.fit = map.fit;
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
    `${meaning} The prototype of ${positive.label} is ${number(positive.distance)} away, the ` +
    `prototype of ${negative.label} ${number(negative.distance)}: a margin of ${number(margin)}. ` +
    (answer.novelty ? `Its colours and textures add a novelty of ${number(answer.novelty)}. ` : "") +
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
    onclick: () => attempt(() => ask(answered.blob, row.label)),
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
  if (index !== null) dot.style.setProperty("--class", map.colours[index]);
  return element("div", { className: "group" },
    element("h3", {}, dot, title),
    element("ul", {}, ...examples.map((example) => element("li", {}, exampleButton(example)))));
}

function exampleButton({ id, label, distance }) {
  const caption = distance === undefined ? label : `${label} · ${number(distance)}`;
  return element("button", {
    type: "button",
    className: "example",
    title: `training image ${id}: ask about it`,
    onclick: () => attempt(async () => ask((await thumbnail(id)).blob)),
  }, thumbnailImage(id), element("span", {}, caption));
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
    dot.style.setProperty("--class", map.colours[index]);
    return element("button", { type: "button", onclick: () => browse(index) }, dot, name);
  }));
}

function browse(index) {
  return attempt(async () => {
    const { label, rival } = prototypes.prototypes[index], asked = map;
    browsed = label;
    const found = await post("/similar", { prototype: label, k: BROWSED });
    if (!current(asked)) return;
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
  line.replaceChildren(thumbnailImage(map.ids[hit.row]), `training image ${map.ids[hit.row]}: ${map.class_names[map.labels[hit.row]]}`);
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
$("rival").addEventListener("change", () => attempt(() => ask(answered.blob, $("rival").value)));

// Whoever comes back to the page, or only looks at it, shall see the bundle that is served.
async function lookNow() {
  if (document.hidden) return;
  if (!map) await attempt(replace);
  else await look().catch(() => {}); // that the service is away is told when it is asked
}

async function keepLooking() {
  for (;;) {
    await pause(LOOK);
    await lookNow();
  }
}

document.addEventListener("visibilitychange", lookNow);
sphere = new Sphere($("sphere"), { pointed: showPointed, chosen: browse });
attempt(replace);
keepLooking();
