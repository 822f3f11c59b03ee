// The embedding space: gallery, prototypes and the picture around the sphere of the prototypes.
// Drawn on a plain canvas: some thousand points need no library and no WebGL.

import { facing, multiply, orthonormal, rotation } from "./rotation.js";

const STEP = 0.12; // radians an arrow key turns
const TURNS = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] };
const REACH = 9; // pixels around the pointer in which a point counts as meant
const MOTION = 700; // milliseconds of the turn towards a new picture

export class Sphere {
  constructor(canvas, { pointed, chosen }) {
    Object.assign(this, { canvas, pointed, chosen, map: null, zoom: 1 });
    this.view = facing([1, 0, 0]);
    this.#listen();
    new ResizeObserver(() => this.draw()).observe(canvas);
  }

  // Show the space of a bundle, without a picture in it.
  setMap(map) {
    this.map = map;
    this.picture = null; // {point, positive, rival}
    this.selected = null; // a class
    this.motion = null;
    this.places = this.centres = [];
    const norms = map.points.map((p) => Math.hypot(...p)).sort((a, b) => a - b);
    this.reach = Math.max(map.radius, norms[Math.floor(norms.length * 0.98)] ?? 0) * 1.12;
    this.draw();
  }

  show(picture) {
    this.picture = picture;
    this.#face(picture.point);
  }

  select(index) {
    this.selected = index;
    this.#face(this.map.prototypes[index]);
  }

  draw() {
    const { canvas, map } = this;
    const scale = window.devicePixelRatio || 1;
    const width = canvas.clientWidth, height = canvas.clientHeight;
    if (!width || !map) return;
    canvas.width = width * scale;
    canvas.height = height * scale;
    const style = getComputedStyle(canvas);
    this.ink = style.getPropertyValue("--ink");
    this.paper = style.getPropertyValue("--paper");
    this.grey = style.getPropertyValue("--grey");
    this.pen = canvas.getContext("2d");
    const tint = style.getPropertyValue("--tint");
    this.colours = map.colours.map((colour) => this.#plain(`color-mix(in srgb, ${colour}, white ${tint})`));
    this.pen.scale(scale, scale);
    this.centre = [width / 2, height / 2];
    this.unit = (Math.min(width, height) / 2 / this.reach) * this.zoom;
    this.#globe();
    this.#points();
    if (this.picture) this.#lines();
    this.#prototypes();
    const star = this.picture && this.#place(this.picture.point);
    if (star) this.#star(star);
    this.#names(star);
    canvas.dataset.points = map.points.length;
  }

  #place(point) {
    const [x, y, z] = this.view.map((row) => row[0] * point[0] + row[1] * point[1] + row[2] * point[2]);
    return { x: this.centre[0] + x * this.unit, y: this.centre[1] - y * this.unit, depth: z };
  }

  // A colour worked out once, not for each of some thousand dots.
  #plain(colour) {
    this.pen.fillStyle = colour;
    return this.pen.fillStyle;
  }

  #globe() {
    const { pen, centre, unit, map } = this;
    const radius = map.radius * unit;
    pen.beginPath();
    pen.arc(...centre, radius, 0, 2 * Math.PI);
    const shade = pen.createRadialGradient(
      centre[0] - radius / 3, centre[1] - radius / 3, radius / 8, ...centre, radius);
    shade.addColorStop(0, `color-mix(in srgb, ${this.grey} 2%, transparent)`);
    shade.addColorStop(1, `color-mix(in srgb, ${this.grey} 14%, transparent)`);
    pen.fillStyle = shade;
    pen.fill();
    pen.strokeStyle = this.grey;
    for (let turn = 0; turn < Math.PI - 0.01; turn += Math.PI / 6) {
      const [c, s] = [Math.cos(turn), Math.sin(turn)];
      this.#circle((t) => [Math.cos(t) * c, Math.cos(t) * s, Math.sin(t)]);
    }
    for (const latitude of [-60, -30, 0, 30, 60]) {
      const h = Math.sin((latitude * Math.PI) / 180), r = Math.cos((latitude * Math.PI) / 180);
      this.#circle((t) => [r * Math.cos(t), r * Math.sin(t), h]);
    }
    pen.globalAlpha = 0.5;
    pen.beginPath();
    pen.arc(...centre, radius, 0, 2 * Math.PI);
    pen.stroke();
    pen.globalAlpha = 1;
  }

  #circle(at) {
    let last = null;
    for (let i = 0; i <= 72; i++) {
      const here = this.#place(at((i * Math.PI) / 36).map((v) => v * this.map.radius));
      if (last) {
        this.pen.globalAlpha = last.depth > 0 ? 0.22 : 0.07; // the back shines through
        this.pen.beginPath();
        this.pen.moveTo(last.x, last.y);
        this.pen.lineTo(here.x, here.y);
        this.pen.stroke();
      }
      last = here;
    }
  }

  #points() {
    const { map, pen } = this;
    this.places = map.points.map((point, row) => ({ ...this.#place(point), row }));
    const sorted = [...this.places].sort((a, b) => a.depth - b.depth);
    for (const { x, y, depth, row } of sorted) {
      const label = map.labels[row];
      const faded = this.selected !== null && label !== this.selected;
      pen.globalAlpha = (depth > 0 ? 0.75 : 0.25) * (faded ? 0.25 : 1);
      pen.fillStyle = this.colours[label];
      pen.beginPath();
      pen.arc(x, y, 2.1 + depth / this.reach, 0, 2 * Math.PI);
      pen.fill();
    }
    pen.globalAlpha = 1;
  }

  #lines() {
    const { point, positive, rival } = this.picture;
    const from = this.#place(point);
    for (const [index, dash] of [[positive, []], [rival, [5, 4]]]) {
      const to = this.#place(this.map.prototypes[index]);
      this.pen.strokeStyle = this.ink;
      this.pen.lineWidth = 1.6;
      this.pen.setLineDash(dash);
      this.pen.beginPath();
      this.pen.moveTo(from.x, from.y);
      this.pen.lineTo(to.x, to.y);
      this.pen.stroke();
    }
    this.pen.setLineDash([]);
    this.pen.lineWidth = 1;
  }

  #prototypes() {
    const { map, pen, picture } = this;
    this.centres = map.prototypes.map((point, index) => ({ ...this.#place(point), index }));
    pen.textAlign = "center";
    for (const { x, y, depth, index } of [...this.centres].sort((a, b) => a.depth - b.depth)) {
      const named = index === picture?.positive || index === picture?.rival || index === this.selected;
      pen.globalAlpha = depth > 0 || named ? 1 : 0.4;
      pen.fillStyle = this.colours[index];
      pen.strokeStyle = this.paper;
      pen.lineWidth = 2;
      pen.beginPath();
      pen.arc(x, y, named ? 8 : 6, 0, 2 * Math.PI);
      pen.fill();
      pen.stroke();
      pen.lineWidth = 1;
    }
    pen.globalAlpha = 1;
  }

  // The names of what the picture is about, then of what is in front, as far as there is room.
  #names(star) {
    const { map, pen, picture, ink, paper } = this;
    const taken = star ? [{ x: star.x, y: star.y + 5, half: 8 }] : [];
    const named = ({ index }) => index === picture?.positive || index === picture?.rival || index === this.selected;
    const wanted = this.centres.filter((at) => named(at) || (at.depth > 0 && map.prototypes.length <= 30))
      .sort((a, b) => named(b) - named(a) || b.depth - a.depth);
    for (const at of wanted) {
      const text = map.class_names[at.index];
      pen.font = `${named(at) ? 700 : 500} 13px system-ui, sans-serif`;
      const half = pen.measureText(text).width / 2 + 3;
      const x = Math.max(half, Math.min(at.x, this.canvas.clientWidth - half));
      const y = [at.y - 12, at.y + 22, at.y - 28, at.y + 38].find((line) => taken.every((other) =>
        Math.abs(other.x - x) > other.half + half || Math.abs(other.y - line) > 15));
      if (y === undefined) continue;
      taken.push({ x, y, half });
      Object.assign(pen, { lineWidth: 4, lineJoin: "round", strokeStyle: paper, fillStyle: ink });
      pen.strokeText(text, x, y);
      pen.fillText(text, x, y);
    }
    pen.lineWidth = 1;
  }

  #star({ x, y }) {
    const { pen } = this;
    pen.beginPath();
    for (let i = 0; i < 10; i++) {
      const radius = i % 2 ? 4.5 : 11, angle = (i * Math.PI) / 5 - Math.PI / 2;
      pen.lineTo(x + radius * Math.cos(angle), y + radius * Math.sin(angle));
    }
    pen.closePath();
    pen.fillStyle = this.ink;
    pen.strokeStyle = this.paper;
    pen.lineWidth = 2.5;
    pen.stroke();
    pen.fill();
    pen.lineWidth = 1;
  }

  #turn(horizontal, vertical) {
    this.view = multiply(rotation(horizontal, vertical), this.view);
  }

  // Turn until the point is in front, in one smooth motion.
  #face(point) {
    const goal = facing(point);
    if (!goal || matchMedia("(prefers-reduced-motion: reduce)").matches) {
      if (goal) this.view = goal;
      this.draw();
      return;
    }
    const from = this.view, start = performance.now();
    const motion = (this.motion = (now) => {
      if (this.motion !== motion) return; // something else turns it now
      const part = Math.min(1, (now - start) / MOTION), eased = part * part * (3 - 2 * part);
      const mixed = from.map((row, i) => row.map((v, j) => v + (goal[i][j] - v) * eased));
      this.view = part < 1 ? orthonormal(mixed) ?? goal : goal;
      this.draw();
      if (part < 1) requestAnimationFrame(motion);
    });
    requestAnimationFrame(motion);
  }

  #listen() {
    const { canvas } = this;
    let drag = null;
    canvas.addEventListener("pointerdown", (event) => {
      this.pointed(null);
      drag = { x: event.clientX, y: event.clientY, moved: false };
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!drag) return this.#hover(event);
      const dx = event.clientX - drag.x, dy = event.clientY - drag.y;
      if (!drag.moved && Math.hypot(dx, dy) < 4) return;
      this.motion = null;
      this.#turn(dx / 150, dy / 150);
      drag = { x: event.clientX, y: event.clientY, moved: true };
      this.draw();
    });
    canvas.addEventListener("pointerup", (event) => {
      const hit = drag?.moved ? null : this.#hit(event);
      if (hit) this.chosen(hit);
      drag = null;
    });
    canvas.addEventListener("pointerleave", () => this.pointed(null));
    canvas.addEventListener("keydown", (event) => {
      const zoom = { "+": 1.15, "=": 1.15, "-": 1 / 1.15 }[event.key];
      if (TURNS[event.key]) this.#turn(...TURNS[event.key]);
      else if (zoom) this.zoom = Math.min(4, Math.max(0.6, this.zoom * zoom));
      else return;
      event.preventDefault();
      this.motion = null;
      this.draw();
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
  }

  #hover(event) {
    const hit = this.#hit(event);
    this.canvas.style.cursor = hit ? "pointer" : "grab";
    this.pointed(hit, event);
  }

  // What is under the pointer: a prototype {index}, a training image {row}, or null.
  #hit(event) {
    const box = this.canvas.getBoundingClientRect();
    const x = event.clientX - box.left, y = event.clientY - box.top;
    let best = null, nearest = REACH;
    for (const place of [...(this.centres ?? []), ...(this.places ?? [])]) {
      const away = Math.hypot(place.x - x, place.y - y) + (place.depth > 0 ? 0 : 3);
      if (away < nearest) [best, nearest] = [place, away];
    }
    return best;
  }
}
