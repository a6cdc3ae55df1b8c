/** A server with the packaged extension installed, a browser and a window: what every test that clicks and types begins with. */
import { copyFileSync, existsSync, globSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';

import type { Browser } from 'playwright-core';

import { launchBrowser, openWindow } from './browser.ts';
import { ensureServer } from './install.ts';
import { packageFile, repositoryRoot } from './labels.ts';
import { installExtension, startServer } from './server.ts';
import type { EditorServer, ServerOptions } from './server.ts';
import type { WorkbenchWindow } from './window.ts';

export interface SessionOptions extends Pick<ServerOptions, 'settings' | 'machineSettings' | 'trust'> {
  /** Puts files into the workspace before a window opens on it. */
  readonly prepare?: (workspace: string) => void;
}

/** Where a test that fails leaves pictures of its windows, and the logs. */
const pictures = join(repositoryRoot, 'dist/test-failures');

export class Session implements AsyncDisposable {
  readonly directory: string;
  readonly workspace: string;
  readonly server: EditorServer;
  readonly browser: Browser;
  readonly window: WorkbenchWindow;
  #second: WorkbenchWindow | undefined;

  constructor(directory: string, server: EditorServer, browser: Browser, window: WorkbenchWindow) {
    this.directory = directory;
    this.workspace = join(directory, 'workspace');
    this.server = server;
    this.browser = browser;
    this.window = window;
  }

  /** The data directory of the daemon that the extension uses. */
  get daemonData(): string {
    return daemonData(this.directory);
  }

  /** Opens another window of the same user on the same folder. */
  async openSecondWindow(): Promise<WorkbenchWindow> {
    this.#second = await openWindow(this.browser, this.server, { folder: this.workspace, beside: this.window });
    return this.#second;
  }

  /** Runs a step of a test; leaves a picture of each window when it fails. */
  async pictured(title: string, step: () => Promise<void>): Promise<void> {
    try {
      await step();
    } catch (error) {
      await this.#picture(title);
      throw error;
    }
  }

  async #picture(title: string): Promise<void> {
    mkdirSync(pictures, { recursive: true });
    const name = title.replaceAll(/\W+/g, '-');
    for (const log of globSync(['server/**/*Tidemark*.log', 'daemon/**/*.log'], { cwd: this.directory }))
      copyFileSync(join(this.directory, log), join(pictures, `${name}-${basename(log)}`));
    for (const [suffix, window] of [['', this.window] as const, ['-second', this.#second] as const]) {
      if (window === undefined || window.page.isClosed()) continue;
      const path = join(pictures, `${name}${suffix}.png`);
      await window.page.screenshot({ path }).then(
        () => console.log(`Picture of the window: ${path}`),
        (error: unknown) => console.log('No picture of the window:', error),
      );
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.browser.close();
    await this.server.stop();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

const daemonData = (directory: string): string => join(directory, 'daemon');

/** Starts everything; `npm run package` must have made the package. */
export async function startSession(options: SessionOptions = {}): Promise<Session> {
  if (!existsSync(packageFile)) throw new Error(`${packageFile} is missing: run npm run package first.`);
  const root = ensureServer();
  const directory = mkdtempSync(join(tmpdir(), 'tidemark-e2e-'));
  const workspace = join(directory, 'workspace');
  mkdirSync(workspace);
  options.prepare?.(workspace);
  installExtension({ root, directory, vsix: packageFile });
  const server = await startServer({
    root,
    directory,
    ...options,
    machineSettings: { 'tidemark.daemon.dataDirectory': daemonData(directory), ...options.machineSettings },
  });
  try {
    const browser = await launchBrowser();
    const window = await openWindow(browser, server, { folder: workspace });
    return new Session(directory, server, browser, window);
  } catch (error) {
    await server.stop();
    throw error;
  }
}
