// Hands: each key of the help does what the help says.
import { test, row, post, until, assert, URL_ } from './world.js';

await test(async (page) => {
  await post([
    { process: 'a', service: 'x', state: 'error', reason: 'r' },
    { process: 'b', service: 'y' },
    { process: 'c', service: 'y' },
  ]);
  await page.goto(URL_);
  await row(page, 'c').waitFor();
  const cursor = () => page.locator('#grid .slick-row.cursor .c-process').textContent();
  await page.keyboard.press('j');
  assert.equal(await cursor(), 'a');
  await page.keyboard.press('ArrowDown');
  assert.equal(await cursor(), 'b');
  await page.keyboard.press('k');
  assert.equal(await cursor(), 'a');
  assert.ok(await page.locator('#grid[aria-activedescendant]').count());
  await page.keyboard.press('Enter');
  await page.locator('#drawer h2', { hasText: /^a$/ }).waitFor();
  await page.keyboard.press('Escape');
  await page.locator('#drawer').waitFor({ state: 'hidden' });
  assert.equal(await page.evaluate(() => document.activeElement.id), 'grid');
  await page.keyboard.press('1');
  assert.match(page.url(), /state=error/);
  await page.keyboard.press('3');
  assert.match(page.url(), /state=error&state=active/);
  await page.keyboard.press('Escape');
  assert.doesNotMatch(page.url(), /state/);
  await page.keyboard.press('g');
  await page.locator('#grid .group', { hasText: 'y' }).waitFor();
  for (let i = 0; i < 6; i++) await page.keyboard.press('j');
  assert.equal(await page.locator('#grid .slick-row.cursor').count(), 1);
  await until(
    async () =>
      (await page.locator('#grid[aria-activedescendant]').getAttribute('aria-activedescendant')) === 'row-6',
    'the cursor to pass a group',
  );
  await page.keyboard.press('g');
  assert.match(page.url(), /group=host/);
  await page.keyboard.press('m');
  await page.locator('#map-canvas').waitFor();
  await until(
    async () =>
      /map of 4 processes: 1 error/.test(await page.locator('#map-canvas').getAttribute('aria-label')),
    'the map to be named',
  );
  await page.keyboard.press('e');
  await page.locator('#event-list li').first().waitFor();
  await page.keyboard.press('/');
  await page.keyboard.type('zj?');
  assert.equal(await page.locator('#search').inputValue(), 'zj?');
  await page.keyboard.press('Escape');
  await page.keyboard.press('Escape');
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const before = await ground();
  await page.keyboard.press('t');
  assert.notEqual(await ground(), before);
  await page.reload();
  assert.notEqual(await ground(), before);
  await page.keyboard.press('?');
  await page.locator('dialog[open]').waitFor();
  await page.keyboard.press('Escape');
  await page.locator('dialog').waitFor({ state: 'hidden' });
});
