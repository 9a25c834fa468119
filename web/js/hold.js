// No row moves under the pointer or the focus: the order is held while one of them is
// on the rows. A pointer that lay still for a minute is nobody's: then it goes on.

import { $ } from './dom.js';
import { order } from './order.js';

const LEFT = 60000;
const rows = $('grid');
let pointer = false,
  moved = 0,
  goesOn = () => {};

export function make(resume) {
  goesOn = resume;
  rows.addEventListener('pointerenter', (event) => {
    pointer = event.pointerType === 'mouse';
    touch();
  });
  rows.addEventListener('pointermove', touch);
  rows.addEventListener('wheel', touch, { passive: true });
  rows.addEventListener('pointerleave', () => {
    pointer = false;
    judge();
  });
  rows.addEventListener('focusin', touch);
  rows.addEventListener('focusout', () => setTimeout(judge));
  rows.addEventListener('keydown', touch);
  setInterval(judge, 1000);
}

export function touch() {
  moved = performance.now();
  judge();
}

// Whoever changes what is shown does not want the old order.
export function release() {
  order.held = false;
}

function judge() {
  const on = pointer || rows.contains(document.activeElement);
  const held = on && performance.now() - moved < LEFT;
  if (held === order.held) return;
  order.held = held;
  if (!held) goesOn();
}
