// The service's REST API. Everything goes to the host that the page came from, with the token.

import { pause } from "../parts/dom.js";
import { transfer, Unreachable } from "./transfer.js";

const TOKEN = "dpnp-token";
export const UNREACHABLE = "gallery_unreachable"; // the code of a thumbnail's error
const TRIES = 20; // of a request that the service is too busy for
let answered = () => {}; // called with the fingerprint of the bundle behind each answer
const busyListeners = []; // called with the seconds until a busy service may be asked again
let freeAt = 0; // when that is

export class ApiError extends Error {
  constructor(message, status = null, code = null) {
    super(message);
    this.status = status; // null: the service cannot be reached
    this.code = code;
  }
}

export function onAnswer(callback) {
  answered = callback;
}

export function onBusy(callback) {
  busyListeners.push(callback);
}

export const serviceAddress = (route) => new URL(`..${route}`, document.baseURI).href;
export const usesToken = () => sessionStorage.getItem(TOKEN) !== null;

async function send(route, options = {}) {
  for (let round = 1; ; round++) {
    await untilFree();
    const token = sessionStorage.getItem(TOKEN);
    const headers = token ? { authorization: `Bearer ${token}` } : {};
    const response = await transfer(serviceAddress(route), { ...options, headers }).catch((error) => {
      throw error instanceof Unreachable ? new ApiError(error.message) : error;
    });
    if (response.status === 401) {
      await askForToken(token);
      continue;
    }
    const fingerprint = response.header("x-model-fingerprint");
    if (fingerprint) answered(fingerprint);
    if (response.status < 400) return response.blob;
    const error = await refusal(response), seconds = retryAfter(response);
    // The place of remote thumbnails is away, and not this service busy: all else goes on.
    if (seconds === null || round === TRIES || error.code === UNREACHABLE) throw error;
    freeAt = Math.max(freeAt, Date.now() + 1000 * seconds);
    for (const tell of busyListeners) tell(seconds);
  }
}

// The service says when it may be asked again, and nothing asks it before.
async function untilFree() {
  while (Date.now() < freeAt) await pause(freeAt - Date.now() + 100 * Math.random());
}

function retryAfter({ status, header }) {
  const value = [429, 503].includes(status) ? header("retry-after") : null;
  if (value === null) return null;
  const seconds = Number.isNaN(Number(value)) ? (Date.parse(value) - Date.now()) / 1000 : Number(value);
  return Number.isFinite(seconds) ? Math.max(0, seconds) : null;
}

async function refusal({ status, blob }) {
  const body = await blob.text().then(JSON.parse).catch(() => null);
  return new ApiError(body?.error?.message ?? `the service answers ${status}`, status, body?.error?.code);
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

const asJson = async (blob) => JSON.parse(await blob.text());

// `options`: progress and signal, as in `transfer`.
export async function post(route, fields = {}, options = {}) {
  const body = new FormData();
  for (const [name, value] of Object.entries(fields)) {
    if (value instanceof Blob) body.append(name, value, "picture");
    else if (value !== null) body.append(name, value);
  }
  return asJson(await send(route, { ...options, method: "POST", body }));
}

export async function get(route) {
  return asJson(await send(route));
}

export const getBlob = (route) => send(route);

// A quick look at which bundle is served: the browser has the map, and asks only if it is still so.
export async function look() {
  await send("/map");
}
