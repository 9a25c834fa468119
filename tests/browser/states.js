// Who is killed turns red at once; who falls silent turns orange, then red, and is
// well again when it beats.
import { test, row, beat, until, URL_ } from './world.js';

await test(async (page) => {
  const killed = beat('killed'),
    silent = beat('silent');
  beat('well');
  await page.goto(URL_);
  const state = (name, word) => row(page, name).locator('.c-state', { hasText: word }).waitFor();
  for (const name of ['killed', 'silent', 'well']) await state(name, 'active');
  killed.kill('SIGKILL');
  await state('killed', 'error');
  silent.kill('SIGSTOP');
  await state('silent', 'warning');
  await state('silent', 'error');
  await row(page, 'silent').locator('.c-reason', { hasText: 'silent' }).waitFor();
  silent.kill('SIGCONT');
  await state('silent', 'active');
  await until(
    async () => (await page.locator('.chip.error b').textContent()) === '1',
    'one error to be counted',
  );
  await page.getByRole('button', { name: 'events' }).click();
  await page
    .locator('#event-list li', { hasText: /silent.*warning → .*error/ })
    .first()
    .waitFor();
});
