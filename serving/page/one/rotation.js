// Views of the sphere: rotations as three rows, to the right, up and towards the reader.

export function multiply(a, b) {
  return a.map((row) => [0, 1, 2].map((j) => row[0] * b[0][j] + row[1] * b[1][j] + row[2] * b[2][j]));
}

// Radians to the right, then downwards.
export function rotation(horizontal, vertical) {
  const [c, s] = [Math.cos(horizontal), Math.sin(horizontal)];
  const [d, t] = [Math.cos(vertical), Math.sin(vertical)];
  return [[c, 0, s], [t * s, d, -t * c], [-d * s, t, d * c]];
}

const cross = (a, b) => [
  a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];

function unit(v) {
  const norm = Math.hypot(...v);
  return norm > 1e-9 ? v.map((x) => x / norm) : null;
}

// The view in which a point lies in front, a little to the right and above, north up.
export function facing(point) {
  const front = unit(point);
  const right = front && (unit(cross([0, 0, 1], front)) ?? [1, 0, 0]);
  if (!right) return null;
  const up = cross(front, right);
  return multiply(rotation(0.35, -0.25), [right, up, front]);
}

export function orthonormal(m) {
  const z = unit(m[2]);
  const x = z && unit(m[0].map((v, i) => v - z[i] * (m[0][0] * z[0] + m[0][1] * z[1] + m[0][2] * z[2])));
  return x && [x, cross(z, x), z];
}
