// The plain page: the rows by fetch, every two seconds, worst first, no libraries.

const SHAPE = { error: '■', warning: '▲', active: '●', inactive: '○' };
const STATES = Object.keys(SHAPE);
const MOST = 1000;
const rows = document.getElementById('rows'),
  line = document.getElementById('line');
let heard = null;

const time = (iso) => (iso ? new Date(iso).toLocaleTimeString() : '');

function row(r) {
  const node = document.createElement('tr');
  for (const text of [
    `${SHAPE[r.state] ?? ''} ${r.state}`,
    r.process,
    r.service,
    time(r.since),
    r.reason,
    r.address,
    time(r.lastHb),
  ])
    node.insertCell().textContent = text ?? '';
  node.cells[0].className = r.state;
  return node;
}

async function look() {
  try {
    const answer = await fetch('v1/table', { cache: 'no-store' });
    const found = await answer.json();
    if (!answer.ok) throw new Error(found.error);
    found.sort(
      (a, b) => STATES.indexOf(a.state) - STATES.indexOf(b.state) || (a.process < b.process ? -1 : 1),
    );
    rows.replaceChildren(...found.slice(0, MOST).map(row));
    heard = new Date();
    const counts = STATES.map((s) => `${found.filter((r) => r.state === s).length} ${s}`).join(', ');
    line.textContent = `${counts}, at ${heard.toLocaleTimeString()}${found.length > MOST ? `; the first ${MOST} are shown` : ''}`;
    line.className = '';
  } catch (error) {
    line.textContent = `no answer: ${error.message}${heard ? `; shown is what was known at ${heard.toLocaleTimeString()}` : ''}`;
    line.className = 'error';
  }
  setTimeout(look, 2000);
}

look();
