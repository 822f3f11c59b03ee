// One request on the wire. `fetch` cannot tell how much of a body is sent, so this is the older way.

export class Unreachable extends Error {}

// Resolves with any answer, {status, header, blob}. `progress` hears the share of the body that is
// sent, 0 to 1. Rejects with Unreachable, or with an AbortError when `signal` says so.
export function transfer(address, { method = "GET", body = null, headers, progress, signal }) {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const request = new XMLHttpRequest();
    request.open(method, address);
    request.responseType = "blob";
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    if (progress) {
      request.upload.onprogress = ({ loaded, total }) => progress(total ? loaded / total : 0);
      request.upload.onload = () => progress(1);
    }
    request.onload = () => resolve({
      status: request.status,
      header: (name) => request.getResponseHeader(name),
      blob: request.response,
    });
    request.onerror = () => reject(new Unreachable("the service cannot be reached"));
    request.onabort = () => reject(signal.reason);
    signal?.addEventListener("abort", () => request.abort(), { once: true });
    request.send(body);
  });
}
