// Why training images have no pictures here: the model has none, or their place cannot be reached.

import { $ } from "../parts/dom.js";
import { hasPictures } from "../service/bundle.js";
import { onUnreachable } from "../service/thumbnails.js";

const NONE = "This model comes without the pictures of its training images: only their classes and " +
  "distances are shown.";

export function showGalleryNote() {
  $("offered").hidden = $("press-dots").hidden = !hasPictures();
  tell(hasPictures() ? null : NONE);
}

function tell(words) {
  for (const note of document.querySelectorAll(".gallery-note")) {
    note.hidden = words === null;
    note.textContent = words ?? "";
  }
}

onUnreachable((why) => tell(why && `Training images have no pictures now: ${why}. The page tries again.`));
