import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import { freePort, installedAgent, logIn, password } from './support/agent.ts';
import { madePackages, workFolder } from './support/packages.ts';
import { eventually, Wine } from './support/wine.ts';

const { old: made } = madePackages();
const images = fileURLToPath(new URL('../../docs/images/', import.meta.url));
/** With this in the environment the pictures of the documentation are made anew. */
const keepPictures = process.env['TIDEMARK_WINDOWS_PICTURES'] !== undefined;
const display = `:${90 + (process.pid % 400)}`;

/** Hands and eyes at a screen without a monitor. */
class Screen implements Disposable {
  readonly #server: ChildProcess;
  readonly #folder = mkdtempSync(join(workFolder(), 'pictures-'));

  constructor() {
    this.#server = spawn('Xvfb', [display, '-screen', '0', '800x600x24'], { stdio: 'ignore' });
  }

  #tool(name: string, args: readonly string[]): string {
    const result = spawnSync(name, [...args], { encoding: 'utf8', env: { ...process.env, DISPLAY: display } });
    return result.status === 0 ? result.stdout.trim() : '';
  }

  /** Waits for the window of that title and gives its id. */
  async window(title: string): Promise<string> {
    return eventually(`the window ${title}`, () => {
      const found = this.#tool('xdotool', ['search', '--onlyvisible', '--name', title]).split('\n')[0] ?? '';
      return found === '' ? undefined : found;
    });
  }

  /** Presses a key in the newest window: without a window manager nobody gives a message the focus. */
  async press(key: string): Promise<void> {
    const windows = this.#tool('xdotool', ['search', '--onlyvisible', '--name', '^Tidemark Agent'])
      .split('\n')
      .map(Number);
    this.#tool('xdotool', ['windowfocus', String(Math.max(...windows))]);
    await sleep(150);
    this.#tool('xdotool', ['key', key]);
    await sleep(150);
  }

  type(text: string): void {
    this.#tool('xdotool', ['type', '--delay', '40', text]);
  }

  /** Takes a picture of a window and gives its file; a page that was not drawn is a small file. */
  picture(window: string, name: string): string {
    const file = join(this.#folder, `${name}.png`);
    this.#tool('import', ['-window', window, file]);
    assert.ok(existsSync(file) && statSync(file).size > 3000, `the page ${name} is drawn`);
    if (keepPictures) {
      mkdirSync(images, { recursive: true });
      copyFileSync(file, join(images, `${name}.png`));
    }
    return file;
  }

  /** How many pixels of two pictures differ. */
  differing(one: string, other: string): number {
    const result = spawnSync('compare', ['-metric', 'AE', one, other, 'null:'], { encoding: 'utf8' });
    return Number.parseFloat(result.stderr);
  }

  [Symbol.dispose](): void {
    this.#server.kill();
  }
}

test('the wizard leads from the welcome to an agent that answers, and shows its fingerprint', async () => {
  using screen = new Screen();
  await using wine = await Wine.create({ DISPLAY: display });
  wine.copyIn(made.setup, String.raw`C:\tidemark-agent-setup.exe`);
  wine.copyIn(made.folder, String.raw`C:\tools`);
  const sim = [String.raw`C:\tools\server\tidemark.js`, 'sim', 'init', String.raw`C:\host`, '--name', 'HV01'];
  await wine.mustRun(String.raw`C:\tools\node.exe`, sim);
  const port = await freePort();
  const trial = ['/PROVIDER=simulated', String.raw`/ROOT=C:\host`, `/PORT=${port}`];
  const wizard = wine.start(String.raw`C:\tidemark-agent-setup.exe`, trial, join(wine.prefix, 'wizard.txt'));
  const window = await screen.window('^Tidemark Agent');
  await sleep(1500);
  const pages = [screen.picture(window, 'setup-welcome')];
  const next = async (name: string): Promise<void> => {
    await screen.press('alt+n');
    await sleep(1000);
    pages.push(screen.picture(window, name));
  };
  await next('setup-folder');
  await next('setup-connection');
  await next('setup-password');
  screen.type(password);
  await screen.press('Tab');
  screen.type(`${password}!`);
  pages.push(screen.picture(window, 'setup-password-typed'));
  await screen.press('alt+i');
  await sleep(1000);
  // Two passwords that differ are refused: the page stays, under a message that Return closes.
  await screen.press('Return');
  await sleep(500);
  assert.ok(!existsSync(wine.path(String.raw`C:\ProgramData\Tidemark Agent`)), 'nothing is installed yet');
  screen.type(password);
  await screen.press('alt+i');
  await sleep(1500);
  pages.push(screen.picture(window, 'setup-progress'));
  await eventually('the agent is installed', () =>
    existsSync(wine.path(String.raw`C:\Program Files\Tidemark Agent\Uninstall.exe`)) ? true : undefined,
  );
  await sleep(1500);
  pages.push(screen.picture(window, 'setup-finish'));
  for (const [index, page] of pages.slice(1).entries()) {
    assert.ok(
      screen.differing(page, pages[index] ?? '') > 500,
      `page ${index + 1} is another one than the page before`,
    );
  }
  await screen.press('alt+f');
  await eventually('the wizard ends', () => wizard.exitCode ?? undefined);
  assert.equal((await logIn(await installedAgent(wine, port))).name, 'HV01');
});
