// No row moves under the pointer: what changed finds its place when the pointer leaves.
// And a click on an address copies it.
import { test, row, names, post, until, assert, URL_ } from './world.js';

await test(async (page, context) => {
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  await post(['a', 'b', 'c'].map((process) => ({ process, service: 'x', address: `${process}:1` })));
  await page.goto(`${URL_}/?service=x`);
  await row(page, 'c').waitFor();
  assert.deepEqual(await names(page), ['a', 'b', 'c']);

  await row(page, 'a').locator('.c-reason').hover();
  await post([
    { process: 'c', service: 'x', state: 'error', reason: 'r' },
    { process: 'd', service: 'x' },
  ]);
  await row(page, 'c').locator('.c-state', { hasText: 'error' }).waitFor();
  await row(page, 'd').waitFor();
  assert.deepEqual(await names(page), ['a', 'b', 'c', 'd']);
  await page.locator('h1').hover();
  const tops = () =>
    page.locator('#grid .slick-row').evaluateAll((nodes) =>
      nodes
        .map((n) => [n.getBoundingClientRect().top, n.querySelector('.c-process').textContent])
        .sort((a, b) => a[0] - b[0])
        .map(([, name]) => name)
        .join(),
    );
  await until(async () => (await tops()) === 'c,a,b,d', 'the order to follow');

  await row(page, 'b').locator('.copies').click();
  await until(
    () => page.evaluate(async () => (await navigator.clipboard.readText()) === 'b:1'),
    'the address to be copied',
  );
  assert.ok(await page.locator('#drawer').isHidden());
});
