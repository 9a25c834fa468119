// axe-core finds nothing serious in any view, light and dark, wide and narrow; the grid
// tells counts, positions and its sort; a phone scrolls nowhere sideways.
import { readFileSync } from 'node:fs';
import { test, row, post, axePath, assert, URL_ } from './world.js';

const axe = readFileSync(axePath, 'utf8');

async function check(page, where) {
  const found = await page.evaluate(async () =>
    (await window.axe.run(document, { resultTypes: ['violations'] })).violations
      .filter(({ impact }) => ['serious', 'critical'].includes(impact))
      .map(
        ({ id, nodes }) =>
          `${id}: ${nodes
            .map(({ target, failureSummary }) => `${target} ${failureSummary}`)
            .slice(0, 3)
            .join(' | ')}`,
      ),
  );
  assert.deepEqual(found, [], where);
}

await test(async (page, context) => {
  await post([
    { process: 'bad', service: 'x', state: 'error', reason: 'a reason' },
    { process: 'odd', service: 'x', state: 'warning', reason: 'slow' },
    { process: 'left', state: 'inactive' },
    ...Array.from({ length: 60 }, (_, i) => ({ process: `row_${i}`, service: 'y', host: `h${i % 3}` })),
  ]);
  for (const colorScheme of ['light', 'dark']) {
    for (const query of [
      '',
      '?view=map',
      '?view=events',
      '?process=bad',
      '?group=service',
      '?q=none',
      '?plots=1',
    ]) {
      await page.emulateMedia({ colorScheme });
      await page.goto(`${URL_}/${query}`);
      await page.locator('.chip.error:not(.none)').waitFor();
      await page.evaluate(axe);
      await check(page, `${colorScheme} ${query}`);
    }
  }
  await page.goto(URL_);
  await row(page, 'bad').waitFor();
  const grid = page.locator('#grid');
  assert.equal(await grid.getAttribute('role'), 'grid');
  assert.equal(await grid.getAttribute('aria-rowcount'), '65');
  assert.equal(await row(page, 'bad').getAttribute('aria-rowindex'), '2');
  assert.equal(
    await page.locator('.slick-header-column[data-id=state]').getAttribute('aria-sort'),
    'ascending',
  );

  await page.setViewportSize({ width: 360, height: 640 });
  await page.locator('#grid .two', { hasText: 'bad' }).waitFor();
  assert.equal(await page.locator('#group option:checked').textContent(), 'group: none');
  assert.ok(
    await page.evaluate(() =>
      ['#services-button', '.views', '.pick', '[popovertarget=options]'].every((s) => {
        const { left, right } = document.querySelector(s).getBoundingClientRect();
        return left >= 0 && right <= 360;
      }),
    ),
    'the controls fit',
  );
  await page.locator('#grid .two', { hasText: 'bad' }).click();
  const box = await page.locator('#drawer').boundingBox();
  assert.equal(box.width, 360);
  assert.ok(
    await page.evaluate(
      () =>
        document.documentElement.scrollWidth <= 360 &&
        [...document.querySelectorAll('.slick-viewport')].every((v) => v.scrollWidth <= v.clientWidth + 1),
    ),
  );
});
