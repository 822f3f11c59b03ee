// The service's REST API. Everything goes to the host that the page came from, with the token.

const TOKEN = "dpnp-token";
const thumbnails = new Map();

export class ApiError extends Error {}

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
    if (response.ok) return response;
    const body = await response.json().catch(() => null);
    throw new ApiError(body?.error?.message ?? `the service answers ${response.status}`);
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

export async function thumbnailBlob(id) {
  return (await send(`/gallery/${id}`)).blob();
}

// An image's address cannot carry the token, so thumbnails are fetched, once each.
export function thumbnailUrl(id) {
  if (!thumbnails.has(id)) thumbnails.set(id, thumbnailBlob(id).then(URL.createObjectURL));
  return thumbnails.get(id);
}
