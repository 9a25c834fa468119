// The page without libraries: rows, worst first, and what is wrong is said.
import { test, post, assert, URL_ } from './world.js';

const HTML = '<img src=x onerror=alert(1)>';
await test(
  async (page) => {
    await post([
      { process: 'well', service: HTML },
      { process: 'bad', state: 'error', reason: 'disk full' },
    ]);
    await page.goto(URL_);
    await page.locator('tbody tr', { hasText: 'disk full' }).waitFor();
    assert.match(await page.locator('tbody tr').first().textContent(), /error.*bad.*disk full/);
    await page.locator('tbody tr', { hasText: HTML }).waitFor();
    await page.locator('#line', { hasText: '1 error, 0 warning, 2 active' }).waitFor();
    process.kill(Number(process.env.SERVE), 'SIGTERM');
    await page.locator('#line', { hasText: 'no answer' }).waitFor();
  },
  { expected: /ERR_CONNECTION|Failed to load/ },
);
