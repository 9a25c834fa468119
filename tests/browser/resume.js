// The server ends and comes again: the page says so, greys, and resumes by itself. When
// it is there and says nothing, the page says that too.
import { spawn } from 'node:child_process';
import { test, row, live, sh, assert, URL_ } from './world.js';

await test(
  async (page) => {
    sh('disco-hb', '-s', 'rdb', 'first');
    await page.goto(URL_);
    await row(page, 'first').waitFor();
    await live(page);

    process.kill(Number(process.env.SERVE), 'SIGTERM');
    await page.locator('#live', { hasText: 'reconnecting' }).waitFor();
    await page.locator('body.stale').waitFor();
    await page.locator('#live', { hasText: /no answer since \d\d:\d\d:\d\d/ }).waitFor();
    assert.match(await page.locator('#line').textContent(), /shown is what was known at/);
    await row(page, 'first').waitFor();

    sh('disco-hb', '-s', 'rdb', 'second');
    const serve = spawn('disco-serve', ['--listen', URL_.replace('http://', '')], { stdio: 'ignore' });
    try {
      await row(page, 'second').waitFor();
      await live(page);
      await page.locator('body:not(.stale)').waitFor();
      serve.kill('SIGSTOP');
      await page.locator('#live', { hasText: /no answer since/ }).waitFor();
      serve.kill('SIGCONT');
      await live(page);
    } finally {
      serve.kill('SIGCONT');
      serve.kill('SIGTERM');
    }
  },
  { expected: /WebSocket connection|ERR_CONNECTION|Failed to load/ },
);
