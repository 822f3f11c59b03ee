// How large a photograph is sent. The model sees a small square of it, so the browser sends no more
// than that needs: the bytes of the original would be thrown away at the other end.

const LIGHT = 256 * 1024; // bytes: a smaller file is sent as it is
const ENOUGH = 1024; // pixels of the longer side
const SPARE = 4; // times the model's input, when that is more
const WORTH = 0.67; // a smaller gain is not worth a new JPEG
const QUALITY = 0.95;

// The file as it is sent: {blob, from, to}, the sizes [width, height] null when nothing is changed.
// A file that the browser cannot read is sent as it is: the service reads more formats.
export async function shrink(file, inputSize) {
  const asItIs = { blob: file, from: null, to: null };
  if (file.size <= LIGHT) return asItIs;
  const bitmap = await read(file);
  if (!bitmap) return asItIs;
  try {
    const { width, height } = bitmap;
    const scale = Math.max(
      Math.max(ENOUGH, SPARE * inputSize) / Math.max(width, height),
      2 * inputSize / Math.min(width, height)); // a panorama keeps its shorter side
    if (scale > WORTH) return asItIs;
    const to = [Math.round(width * scale), Math.round(height * scale)];
    const blob = await drawn(bitmap, to);
    return blob && blob.size < file.size ? { blob, from: [width, height], to } : asItIs;
  } finally {
    bitmap.close();
  }
}

// A small picture of a file for a grid, or null for one that is small already or cannot be read.
export async function preview(file, side) {
  if (file.size <= LIGHT / 4) return null;
  const bitmap = await read(file);
  if (!bitmap) return null;
  try {
    const scale = side / Math.max(bitmap.width, bitmap.height);
    if (scale >= 1) return null;
    return await drawn(bitmap, [bitmap.width, bitmap.height].map((n) => Math.max(1, Math.round(n * scale))));
  } finally {
    bitmap.close();
  }
}

// Upright, and with the numbers of the file: the service knows no colour profiles either.
const read = (file) => createImageBitmap(
  file, { imageOrientation: "from-image", colorSpaceConversion: "none" }).catch(() => null);

function drawn(bitmap, [width, height]) {
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const pen = canvas.getContext("2d", { alpha: false });
  pen.fillStyle = "white"; // below what is transparent, as the service has it
  pen.fillRect(0, 0, width, height);
  pen.imageSmoothingQuality = "high";
  pen.drawImage(bitmap, 0, 0, width, height);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", QUALITY));
}
