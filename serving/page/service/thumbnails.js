// The gallery's thumbnails. An image's address cannot carry the token, so they are fetched, once
// each, and one that fails is asked for again as long as it is on the page.

import { getBlob, UNREACHABLE } from "./api.js";
import { element, pause } from "../parts/dom.js";

const FIRST_WAIT = 500, LONGEST_WAIT = 30_000; // milliseconds until a failed one is asked for again
let told = () => {};
let thumbnails = new Map(); // id → promise of {blob, url}

export function thumbnail(id) {
  const kept = thumbnails;
  if (!kept.has(id)) {
    const fetched = getBlob(`/gallery/${id}`).then(
      (blob) => ({ blob, url: URL.createObjectURL(blob) }));
    fetched.catch(() => kept.delete(id));
    kept.set(id, fetched);
  }
  return kept.get(id);
}

// `callback(why)` hears why the place of remote pictures cannot be reached, and null when it is again.
export function onUnreachable(callback) {
  told = callback;
}

export function thumbnailImage(id) {
  const image = element("img", { alt: "" });
  image.onload = () => image.classList.toggle("pixels", image.naturalWidth <= 64);
  load(image, id, FIRST_WAIT);
  return image;
}

async function load(image, id, wait) {
  try {
    image.src = (await thumbnail(id)).url;
    image.classList.remove("absent");
    told(null);
  } catch (error) {
    image.classList.add("absent");
    if (error.status === 404) return; // there is none, and there will be none
    if (error.code === UNREACHABLE) {
      told(error.message);
      wait = LONGEST_WAIT; // each try may keep the service waiting, too
    }
    await pause(wait);
    if (image.isConnected) load(image, id, Math.min(2 * wait, LONGEST_WAIT));
  }
}

// Another bundle has other images under the same ids.
export function forgetThumbnails() {
  const old = [...thumbnails.values()];
  thumbnails = new Map();
  for (const fetched of old) fetched.then(({ url }) => URL.revokeObjectURL(url), () => {});
}
