// The server's time, told from the stamps of its messages: ages are differences
// of its own clock, whatever this machine's says.

let offset = 0,
  known = false;

// A message waits on its way, so the largest difference seen is the truest; a
// small drift is followed, a step at once.
export function heardAt(iso) {
  const seen = Date.parse(iso) - Date.now();
  if (Number.isNaN(seen)) return;
  if (!known || seen > offset || seen < offset - 1000) offset = seen;
  else offset += (seen - offset) * 0.02;
  known = true;
}

export const now = () => Date.now() + offset;
