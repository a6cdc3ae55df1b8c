/** A browser on VS Code's workbench. */
import { chromium } from 'playwright-core';
import type { Browser, Route } from 'playwright-core';

import { findBrowser } from './install.ts';
import type { EditorServer } from './server.ts';
import { WorkbenchWindow } from './window.ts';

/** A headless Chromium. As root it has no sandbox; pages come from this machine only. */
export function launchBrowser(): Promise<Browser> {
  const executablePath = findBrowser();
  if (executablePath === undefined) throw new Error('No Chromium: set TIDEMARK_TEST_BROWSER to one.');
  return chromium.launch({
    executablePath,
    args: [
      '--no-sandbox',
      '--disable-dev-shm-usage',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}

/** What the workbench writes as errors to its console in every run without network. */
const expected = new RegExp(
  [
    '\\[lifecycle\\] Long running operations',
    'vscode-web-db',
    '^Failed to load resource',
    '^A bad HTTP response code',
    'Service Worker\\] registration',
    "authentication provider 'github'",
    '^ERR color: #f33 Canceled',
    // It looks for agents and prompts in folders, and gives up when it has something better to do.
    '^ERR color: #f33 Failed to resolve files at location: \\S+ Canceled: Canceled',
    // It registers its own extensions again when a workspace becomes trusted.
    'Extension `vscode\\.[\\w-]+` is already registered',
  ].join('|'),
);

/** Stands in for the part of code-server that is not run: the key that a web window keeps secrets with. */
const mintKey = (route: Route): Promise<void> =>
  route.fulfill({ body: Buffer.alloc(32, 7), contentType: 'application/octet-stream' });

export interface WindowOptions {
  readonly folder: string;
  /** Pairs that the workbench takes from its address; see `ServerOptions.driver`. */
  readonly payload?: readonly (readonly [string, string])[];
  /** The new window is the second one of that window's user: layout, trust and secrets are shared. */
  readonly beside?: WorkbenchWindow;
  /** Functions that the page can call. */
  readonly expose?: Readonly<Record<string, (...args: readonly unknown[]) => void>>;
}

/** Opens a window on a folder and waits until it is drawn. Extensions start after that: wait for what yours shows. */
export async function openWindow(
  browser: Browser,
  server: EditorServer,
  options: WindowOptions,
): Promise<WorkbenchWindow> {
  const context =
    options.beside?.page.context() ??
    (await browser.newContext({ viewport: { width: 1400, height: 900 }, locale: 'en-US' }));
  if (options.beside === undefined) await context.route(`http://${server.authority}/mint-key`, mintKey);
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  const problems: string[] = [];
  page.on('console', (message) => {
    const text = message.text().replace(/^%c\s*/, '');
    if (message.type() === 'error' && !expected.test(text)) problems.push(text);
  });
  for (const [name, f] of Object.entries(options.expose ?? {})) await page.exposeFunction(name, f);
  const query = new URLSearchParams({ folder: options.folder });
  if (options.payload !== undefined) query.set('payload', JSON.stringify(options.payload));
  await page.goto(`http://${server.authority}/?${query.toString()}`);
  const window = new WorkbenchWindow(page, problems);
  if (options.payload === undefined) await window.ready();
  return window;
}
