// page.mjs FOLDER URL ROWS SPANS OPENS: opens the dashboard in headless Chromium, in a new page each time,
// and tells how soon the first rows were drawn, in milliseconds; then, with all rows in the last of
// the pages, how long its main thread worked in each of some spans of three seconds, in milliseconds per
// second: by the kernel's count, which is its CPU time, and by Chromium's (TaskDuration), in which it
// may also wait for a core.
//
// Chromium is spoken to by its own protocol through a pipe, and no more of that is switched on than
// is asked for: to tell a debugger of each message on a WebSocket is work for the main thread too.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

const [folder, url, rows, spans, opens] = process.argv.slice(2);
const SPAN = 3000;
const LIMIT = 60000;

const chromium = spawn(
  process.env.CHROMIUM ?? 'chromium',
  [
    '--headless',
    '--no-sandbox',
    '--disable-gpu',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
    '--window-size=1440,900',
    '--remote-debugging-pipe',
    `--user-data-dir=${folder}`,
  ],
  { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] },
);
const ended = new Promise((done) => chromium.on('exit', done));
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => chromium.kill());
for (const pipe of chromium.stdio.slice(3)) pipe.on('error', () => {}); // it has ended

const waiting = new Map();
ended.then(() => waiting.forEach(({ failed }) => failed(new Error('chromium ended'))));
let calls = 0,
  rest = '';
chromium.stdio[4].on('data', (data) => {
  const messages = (rest + data).split('\0');
  rest = messages.pop();
  for (const { id, result, error } of messages.map(JSON.parse)) {
    if (error) waiting.get(id)?.failed(new Error(error.message));
    else waiting.get(id)?.done(result);
    waiting.delete(id);
  }
});

function call(method, params, sessionId) {
  const id = ++calls;
  chromium.stdio[3].write(JSON.stringify({ id, method, params, sessionId }) + '\0');
  return new Promise((done, failed) => waiting.set(id, { done, failed }));
}

// In the page, before it begins: when the first row is drawn.
function watch() {
  new MutationObserver((_, observer) => {
    if (!document.querySelector('#grid .slick-row')) return;
    observer.disconnect();
    requestAnimationFrame(() => (window.firstRows = performance.now()));
  }).observe(document, { childList: true, subtree: true });
}

class Page {
  static async open() {
    const page = new Page();
    ({ targetId: page.id } = await call('Target.createTarget', { url: 'about:blank' }));
    ({ sessionId: page.session } = await call('Target.attachToTarget', { targetId: page.id, flatten: true }));
    await page.call('Page.enable');
    await page.call('Page.addScriptToEvaluateOnNewDocument', { source: `(${watch})()` });
    await page.call('Page.navigate', { url });
    return page;
  }

  call(method, params) {
    return call(method, params, this.session);
  }

  // Waits until an expression is true, and gives its value.
  async until(expression) {
    for (const end = Date.now() + LIMIT; Date.now() < end; await sleep(200)) {
      const { result } = await this.call('Runtime.evaluate', { expression });
      if (result.value) return result.value;
    }
    throw new Error(`waited in vain for ${expression}`);
  }

  // All that its main thread did so far, in milliseconds.
  async work() {
    const { metrics } = await this.call('Performance.getMetrics');
    const tasks = 1000 * metrics.find(({ name }) => name === 'TaskDuration').value;
    return { tasks, cpu: await cpu(), now: performance.now() };
  }

  close() {
    return call('Target.closeTarget', { targetId: this.id });
  }
}

// The kernel's count for the main threads of all pages, of which there is one.
async function cpu() {
  const { processInfo } = await call('SystemInfo.getProcessInfo');
  return processInfo
    .filter(({ type }) => type === 'renderer')
    .map(({ id }) => readFileSync(`/proc/${id}/task/${id}/schedstat`, 'utf8').split(' ')[0] / 1e6)
    .reduce((a, b) => a + b, 0);
}

try {
  const first = [];
  let page;
  for (let i = 0; i < opens; i++) {
    await page?.close();
    page = await Page.open();
    first.push(Math.round(await page.until('window.firstRows')));
  }
  await page.until(`document.querySelector('#grid[aria-rowcount]')?.ariaRowCount >= ${rows}`);
  await page.call('Performance.enable');
  await sleep(SPAN);
  const used = [],
    tasks = [];
  for (let i = 0; i < spans; i++) {
    const before = await page.work();
    await sleep(SPAN);
    const after = await page.work();
    const perSecond = (key) => (1000 * (after[key] - before[key])) / (after.now - before.now);
    used.push(perSecond('cpu'));
    tasks.push(perSecond('tasks'));
  }
  await page.until(`!!document.querySelector('#live.well')`);
  console.log(JSON.stringify({ first, cpu: used, tasks }));
} finally {
  call('Browser.close').catch(() => {});
  await Promise.race([ended, sleep(10000)]);
  chromium.kill('SIGKILL');
}
