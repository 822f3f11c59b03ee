// The small box at the pointer. It says nothing that is not said elsewhere for keyboards.

import { $ } from "./dom.js";

const AWAY = 14; // pixels between the pointer and the box

export function showTooltip({ clientX, clientY }, ...content) {
  const box = $("tooltip");
  box.replaceChildren(...content);
  box.hidden = false;
  const { width, height } = box.getBoundingClientRect();
  const left = clientX + AWAY + width > innerWidth ? clientX - AWAY - width : clientX + AWAY;
  const top = clientY + AWAY + height > innerHeight ? clientY - AWAY - height : clientY + AWAY;
  box.style.left = `${Math.max(4, Math.min(left, innerWidth - width - 4))}px`;
  box.style.top = `${Math.max(4, top)}px`;
}

export function hideTooltip() {
  $("tooltip").hidden = true;
}

document.addEventListener("keydown", (event) => event.key === "Escape" && hideTooltip());
document.addEventListener("scroll", hideTooltip, { passive: true });
