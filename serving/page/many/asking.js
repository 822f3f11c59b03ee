// Asks about many pictures, a few at once, and fewer when the service is busy.

import { onBusy, post } from "../service/api.js";
import { bundle } from "../service/bundle.js";
import { preview, shrink } from "../service/shrink.js";

const MOST = 4; // requests in flight; the rest of the browser's six are for thumbnails
const CALM = 12; // answers without a refusal until one more is in flight
const PREVIEW = 320; // pixels

export class Asking {
  // `changed(item)` hears of each change. An item is {file, path, state, answer, error, …}; its
  // state goes from waiting over asking to done or failed.
  constructor(changed) {
    Object.assign(this, { changed, waiting: [], active: 0, width: MOST, calm: 0, shrinks: true });
    this.turn = new AbortController();
    onBusy(() => Object.assign(this, { width: Math.max(1, Math.floor(this.width / 2)), calm: 0 }));
  }

  get running() {
    return this.active > 0 || this.waiting.length > 0;
  }

  add(items) {
    for (const item of items) {
      Object.assign(item, { state: "waiting", answer: null, error: null, progress: 0 });
      this.waiting.push(item);
      this.changed(item);
    }
    this.#next();
  }

  // Nothing more is asked; what is on its way is given up, and waits again.
  stop() {
    this.turn.abort();
    this.turn = new AbortController();
    this.waiting = [];
  }

  #next() {
    while (this.active < this.width && this.waiting.length) this.#ask(this.waiting.shift());
  }

  async #ask(item) {
    const { signal } = this.turn;
    this.active++;
    this.#set(item, { state: "asking" });
    try {
      this.#set(item, { state: "done", ...(await this.#answer(item, signal)) });
      if (++this.calm >= CALM) Object.assign(this, { width: Math.min(MOST, this.width + 1), calm: 0 });
    } catch (error) {
      const given = signal.aborted ? { state: "waiting" } : { state: "failed", error: error.message };
      this.#set(item, given);
    } finally {
      this.active--;
      this.changed(item);
      this.#next();
    }
  }

  async #answer(item, signal) {
    if (item.small === undefined) {
      item.small = await preview(item.file, PREVIEW);
      this.changed(item);
    }
    const sent = this.shrinks ? await shrink(item.file, bundle.map.input_size)
      : { blob: item.file, from: null, to: null };
    signal.throwIfAborted();
    const answer = await post("/predict", { image: sent.blob }, {
      signal,
      progress: (share) => this.#set(item, { progress: share }),
    });
    return { answer, shrunk: sent.to };
  }

  #set(item, values) {
    Object.assign(item, values);
    this.changed(item);
  }
}
