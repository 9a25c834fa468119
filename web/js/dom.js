// Making elements. Whatever came from a row only ever gets in as text.

// h('button', {class: 'x', onclick: f, 'aria-label': 'y'}, 'words', child, …)
export function h(tag, props, ...children) {
  const node = document.createElement(tag);
  set(node, props);
  node.append(...children.filter((c) => c !== null && c !== undefined && c !== false));
  return node;
}

const SVG = 'http://www.w3.org/2000/svg';

export function s(tag, props, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [key, value] of Object.entries(props ?? {})) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

function set(node, props) {
  for (const [key, value] of Object.entries(props ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith('on')) node.addEventListener(key.slice(2), value);
    else if (key === 'class') node.className = value;
    else node.setAttribute(key, value === true ? '' : value);
  }
}

export const $ = (id) => document.getElementById(id);

// Writes only what differs: no work for the layout, no noise for a screen reader.
export function say(node, words) {
  if (node.textContent !== words) node.textContent = words;
}

export function attr(node, name, value) {
  if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
}

// The text goes to the clipboard; the button tells so for a moment.
export async function copy(text, button) {
  let done = true;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    done = copyOldWay(text);
  }
  if (button) {
    button.dataset.copied = done ? 'copied' : 'could not copy';
    setTimeout(() => delete button.dataset.copied, 1200);
  }
  return done;
}

// Without HTTPS browsers offer no clipboard but this.
function copyOldWay(text) {
  const area = h('textarea', { class: 'offscreen', 'aria-hidden': 'true' });
  const focus = document.activeElement;
  area.value = text;
  document.body.append(area);
  area.select();
  const done = document.execCommand('copy');
  area.remove();
  focus?.focus({ preventScroll: true });
  return done;
}
