// The master ends: the page says so in a line, greys, and goes on counting ages.
import { readFileSync } from 'node:fs';
import { test, row, sh, until, axePath, assert, URL_ } from './world.js';

const axe = readFileSync(axePath, 'utf8');

await test(async (page) => {
  sh('disco-hb', '-s', 'rdb', 'one');
  await page.goto(URL_);
  await row(page, 'one').waitFor();
  process.kill(Number(process.env.MASTER), 'SIGTERM');
  await page.locator('#line.bad', { hasText: 'the master is gone' }).waitFor();
  await page.locator('body.stale').waitFor();
  await until(async () => (await page.title()).startsWith('◌'), 'the title to doubt');
  await page.evaluate(axe);
  const found = await page.evaluate(async () =>
    (await window.axe.run(document, { runOnly: ['color-contrast'] })).violations.flatMap(({ nodes }) =>
      nodes.map((n) => n.failureSummary),
    ),
  );
  assert.deepEqual(found, []);
  const seconds = async () => Number.parseInt(await row(page, 'one').locator('.c-since').textContent(), 10);
  const was = await seconds();
  await until(async () => (await seconds()) > was, 'ages to go on');
});
