// Ten thousand rows: few of them are in the page, the last is found at once, and the
// first ones come about as soon as with few.
import { test, row, names, post, assert, URL_ } from './world.js';

await test(
  async (page) => {
    const first = async () => {
      const began = performance.now();
      await page.goto(URL_);
      await page.locator('#grid .slick-row').first().waitFor();
      return performance.now() - began;
    };
    await first();
    const few = await first();
    for (let part = 0; part < 10; part++)
      await post(
        Array.from({ length: 1000 }, (_, i) => ({
          process: `p_${part * 1000 + i}`,
          service: `s${i % 8}`,
          address: `10.0.0.1:${i}`,
        })),
      );
    const many = await first();
    assert.ok(many < few * 10, `${many} ms, with few ${few} ms`);
    await page.locator('#grid[aria-rowcount="10002"]').waitFor();
    assert.ok((await page.locator('#grid .slick-row').count()) < 100);
    await page.locator('#search').fill('p_9999');
    await row(page, 'p_9999').waitFor();
    assert.equal((await names(page)).length, 1);
  },
  { width: 1440, height: 900 },
);
