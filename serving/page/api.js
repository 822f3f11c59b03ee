// The service's REST API. Everything goes to the host that the page came from, with the token.

const TOKEN = "dpnp-token";
let answered = () => {}; // called with the fingerprint of the bundle behind each answer

export class ApiError extends Error {
  constructor(message, status = null) {
    super(message);
    this.status = status; // null: the service cannot be reached
  }
}

export function onAnswer(callback) {
  answered = callback;
}

async function send(path, options = {}) {
  for (;;) {
    const token = sessionStorage.getItem(TOKEN);
    const headers = token ? { authorization: `Bearer ${token}` } : {};
    let response;
    try {
      response = await fetch(`..${path}`, { ...options, headers });
    } catch {
      throw new ApiError("the service cannot be reached");
    }
    if (response.status === 401) {
      await askForToken(token);
      continue;
    }
    const fingerprint = response.headers.get("x-model-fingerprint");
    if (fingerprint) answered(fingerprint);
    if (response.ok) return response;
    const body = await response.json().catch(() => null);
    const message = body?.error?.message ?? `the service answers ${response.status}`;
    throw new ApiError(message, response.status);
  }
}

let asking = null; // one dialog for all requests that wait for it

function askForToken(refused) {
  if (sessionStorage.getItem(TOKEN) !== refused) return null; // another request got it meanwhile
  asking ??= new Promise((resolve) => {
    const dialog = document.getElementById("token");
    const secret = document.getElementById("secret");
    secret.value = "";
    dialog.showModal();
    dialog.addEventListener("cancel", (event) => event.preventDefault());
    dialog.addEventListener("close", () => {
      sessionStorage.setItem(TOKEN, secret.value);
      asking = null;
      resolve();
    }, { once: true });
  });
  return asking;
}

export async function post(path, fields = {}) {
  const body = new FormData();
  for (const [name, value] of Object.entries(fields)) {
    if (value instanceof Blob) body.append(name, value, "picture");
    else if (value !== null) body.append(name, value);
  }
  return (await send(path, { method: "POST", body })).json();
}

export async function get(path) {
  return (await send(path)).json();
}

export async function getBlob(path) {
  return (await send(path)).blob();
}

// A quick look at which bundle is served: the browser has the map, and asks only if it is still so.
export async function look() {
  await send("/map");
}
