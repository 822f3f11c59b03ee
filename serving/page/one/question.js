// A picture, its question and its answer: what is asked, what is on the way, what is shown.
// A question is {blob, name, rival} with either `gallery` (a training image's id) or `file` (a path).

import { change } from "../parts/address.js";
import { $, count, number, pause } from "../parts/dom.js";
import { onBusy, post } from "../service/api.js";
import { bundle, isCurrent } from "../service/bundle.js";
import { shrink } from "../service/shrink.js";
import { thumbnail } from "../service/thumbnails.js";
import { hidePicture, showPicture } from "./picture.js";

const EXAMPLES = 10;
export const asked = { question: null, answered: null, answer: null };
let latest = 0; // only the answer to the last question is shown
let sending = null; // aborts the request before
let shown = () => {};

// `callback(answer, question)` draws the answer.
export function onAnswerShown(callback) {
  shown = callback;
}

export async function ask(question, { step = true } = {}) {
  const turn = ++latest, map = bundle.map;
  sending?.abort();
  sending = new AbortController();
  asked.question = question;
  const other = question.blob !== asked.answered?.blob;
  document.body.classList.add("busy");
  document.body.classList.toggle("other", other); // the answer on the page is about another picture
  if (other) showPicture(question);
  try {
    const answer = await request(question, sending.signal);
    if (turn !== latest || !isCurrent(map)) return;
    Object.assign(asked, { answered: question, answer });
    show(answer, question, step);
  } catch (error) {
    if (turn === latest && isCurrent(map)) goBack(other);
    throw error;
  } finally {
    if (turn === latest) {
      document.body.classList.remove("busy", "other");
      $("progress").hidden = true;
    }
  }
}

export async function askTrainingImage(id, { rival = null, step = true } = {}) {
  const { blob } = await thumbnail(id);
  await ask({ blob, name: `training image ${id}`, gallery: id, rival }, { step });
}

export const askRival = (rival) => ask({ ...asked.answered, rival }, { step: false });

async function request(question, signal) {
  question.sent ??= question.original ? { blob: question.blob, from: null, to: null }
    : await shrink(question.blob, bundle.map.input_size);
  const progress = (share) => {
    if (signal.aborted) return;
    $("progress").hidden = false;
    $("progress").value = share;
    $("progress-words").textContent =
      share < 1 ? `sending: ${number(100 * share, 0)} %` : "sent: waiting for the answer";
  };
  progress(0);
  question.fine = $("fine").checked;
  const { rival, fine } = question;
  return post("/explain", { image: question.sent.blob, k: EXAMPLES, rival, fine: fine ? "true" : null },
    { progress, signal });
}

function show(answer, question, step) {
  $("progress-words").textContent = words(question);
  $("original").hidden = !question.sent.from;
  change({ gallery: question.gallery, rival: question.rival },
    { step: step && question.gallery !== undefined });
  shown(answer, question);
}

function words({ sent }) {
  if (!sent.from) return "";
  return `Sent as ${sent.to.join(" × ")} pixels instead of ${sent.from.join(" × ")}: ` +
    `the model sees ${bundle.map.input_size} × ${bundle.map.input_size}.`;
}

// The last question failed: the page is again about the one before.
function goBack(other) {
  asked.question = asked.answered;
  if (!asked.answered) return hidePicture();
  if (other) showPicture(asked.answered);
  $("progress-words").textContent = words(asked.answered);
  $("original").hidden = !asked.answered.sent.from;
}

onBusy(async (seconds) => {
  const turn = latest;
  if (!document.body.classList.contains("busy")) return;
  $("progress-words").textContent =
    `the service is busy: asking again in ${count(Math.ceil(seconds), "second")}`;
  await pause(1000 * seconds);
  if (turn === latest && document.body.classList.contains("busy")) {
    $("progress-words").textContent = "sending again";
  }
});

// The same again, with the finer map. When the service cannot, the plain one stays.
export async function askFiner() {
  try {
    await ask({ ...asked.answered }, { step: false });
  } catch (error) {
    if (error.name !== "AbortError") $("fine").checked = false;
    throw error;
  }
}

// The original itself, when a smaller one was sent.
export const askOriginal = () =>
  ask({ ...asked.answered, original: true, sent: undefined }, { step: false });
