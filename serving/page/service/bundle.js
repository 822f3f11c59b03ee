// Which bundle is on the page. All that is shown comes from one: when an answer comes from another,
// everything is read anew.

import { pause } from "../parts/dom.js";
import { ApiError, get, look, onAnswer, post } from "./api.js";
import { forgetThumbnails } from "./thumbnails.js";

const LOOK = 10_000; // milliseconds between two looks at which bundle is served
const FOLLOW = 500, ROUNDS = 60; // until all workers serve the same one

export const bundle = { map: null, prototypes: null };
// Whether training images have pictures at all.
export const hasPictures = () => bundle.map.gallery_mode !== "none";

let reading = null, replaced = () => {};

// A class and its nearest rival. The service lists the first thousand with the bundle.
export const prototype = async (index) => bundle.prototypes[index] ??
  (await get(`/prototypes?offset=${index}&limit=1`)).prototypes[0];

// Whether what was asked while `asked` was the map belongs to the bundle on the page.
export const isCurrent = (asked) => asked === bundle.map && !reading;

// `callback(first)` shows a bundle that has just been read; `attempt` tells what goes wrong.
export function followBundle(callback, attempt) {
  replaced = callback;
  onAnswer((fingerprint) => {
    if (bundle.map && fingerprint !== bundle.map.model.fingerprint && !reading) attempt(read);
  });
  document.addEventListener("visibilitychange", () => lookNow(attempt));
  attempt(read);
  keepLooking(attempt);
}

async function read() {
  if (reading) return;
  const first = bundle.map === null;
  reading = readPair().finally(() => (reading = null));
  const [map, { prototypes }] = await reading;
  Object.assign(bundle, { map, prototypes });
  forgetThumbnails();
  replaced(first);
}

// Workers take a new bundle over one by one, so one request may find the old one still.
async function readPair() {
  for (let round = 0; round < ROUNDS; round++) {
    if (bundle.map || round) await pause(FOLLOW);
    const pair = await Promise.all([get("/map"), post("/prototypes")]);
    if (pair[0].model.fingerprint === pair[1].model.fingerprint) return pair;
  }
  throw new ApiError("the service's workers serve different bundles; try again later");
}

// Whoever comes back to the page, or only looks at it, shall see the bundle that is served.
async function lookNow(attempt) {
  if (document.hidden) return;
  if (!bundle.map) await attempt(read);
  else await look().catch(() => {}); // that the service is away is told when it is asked
}

async function keepLooking(attempt) {
  for (;;) {
    await pause(LOOK);
    await lookNow(attempt);
  }
}
