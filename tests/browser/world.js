// What each test of the dashboard has: a browser, a page at the server under test, and
// the shell. The test fails when anything was thrown, logged as an error, or refused by
// the page's policy.

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { createRequire } from 'node:module';

const require = createRequire(`${process.env.DISCO_BUILD}/tests/browser/`);
const { chromium } = require('playwright-core');

export const axePath = require.resolve('axe-core/axe.min.js');
export const URL_ = process.env.URL;
export const LIMIT = 30000;
export { assert };

const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

export const sh = (...command) => execFileSync(command[0], command.slice(1), { encoding: 'utf8' });

// A process that beats each second until the test ends.
const children = [];
export function beat(name, ...options) {
  const child = spawn('disco-hb', ['-i', '200ms', ...options, name], { stdio: 'ignore' });
  children.push(child);
  return child;
}

export async function post(rows) {
  const answer = await fetch(`${URL_}/v1/heartbeat`, {
    method: 'POST',
    body: rows.map((row) => JSON.stringify(row)).join('\n'),
  });
  assert.equal(answer.status, 204, await answer.text());
}

// test(async (page, context) => …): `expected` are complaints that the test provokes.
export async function test(run, { expected = /^$/, width = 1280, height = 800, ...options } = {}) {
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? 'chromium', args: FLAGS });
  const complaints = [];
  try {
    const context = await browser.newContext({ viewport: { width, height }, ...options });
    context.setDefaultTimeout(LIMIT);
    const page = await context.newPage();
    const complain = (words) => expected.test(words) || complaints.push(words);
    page.on('pageerror', (error) => complain(error.stack));
    page.on(
      'console',
      (message) => ['error', 'warning'].includes(message.type()) && complain(message.text()),
    );
    page.on('dialog', (dialog) => {
      complain(`a dialog: ${dialog.message()}`);
      dialog.dismiss();
    });
    await run(page, context);
    assert.deepEqual(complaints, []);
  } finally {
    for (const child of children) child.kill('SIGKILL');
    await browser.close();
  }
}

// The row of a process, as it stands in the table.
export const row = (page, name) =>
  page.locator('#grid .slick-row', {
    has: page.locator('.c-process', {
      hasText: new RegExp(`^${name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}$`),
    }),
  });

export const names = (page) => page.locator('#grid .slick-row .c-process').allTextContents();

// until(() => condition): waits for a condition, never for a time.
export async function until(condition, words = String(condition)) {
  const end = Date.now() + LIMIT;
  for (;;) {
    const found = await condition();
    if (found) return found;
    if (Date.now() > end) throw new Error(`waited in vain for: ${words}`);
    await new Promise((done) => setTimeout(done, 50));
  }
}

export const live = (page) => page.locator('#live.well').waitFor();
