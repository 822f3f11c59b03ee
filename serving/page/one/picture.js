// The picture that is asked about, as soon as it is known: small beside the drop, large in the frame.

import { $ } from "../parts/dom.js";
import { bundle } from "../service/bundle.js";

let address = null;

export function showPicture({ blob, name }) {
  if (address) URL.revokeObjectURL(address);
  address = URL.createObjectURL(blob);
  for (const image of [$("picture"), $("small")]) {
    image.onload = () => image.classList.toggle("pixels", image.naturalWidth <= 64);
    // The browser may not read it though the service does, as HEIC.
    image.onerror = () => (image.hidden = true);
    image.hidden = false;
    image.src = address;
  }
  $("picture").dataset.fit = bundle.map.fit;
  $("blank").hidden = true;
  $("asked").hidden = false;
  $("asked-name").textContent = name;
  $("progress-words").textContent = "";
  $("original").hidden = true;
}

export function hidePicture() {
  for (const id of ["picture", "small", "asked"]) $(id).hidden = true;
  $("blank").hidden = false;
}
