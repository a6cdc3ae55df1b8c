/** Entry of the extension. Activation registers and returns: the daemon is looked for when a view shows or a command needs it. */
import { cpuUsage } from 'node:process';

import type * as vscode from 'vscode';

import { createApp } from './app.ts';
import type { App } from './app.ts';

/** What `activate` returns to tests and to other extensions. Read-only. */
export interface ExtensionApi {
  readonly api: 1;
  /** The extension's own time until it is active, ms: loading its bundle, and `activate`. */
  readonly activationMs: number;
  /** What of it the processor was busy with, ms. */
  readonly activationCpuMs: number;
  /** The parts of this window, where `TIDEMARK_TEST_API` is set: for the tests inside VS Code, and for no other extension. */
  readonly app?: App | undefined;
}

/** Processor time of this thread, ms; of the whole process on a Node that cannot tell (before 23.9). */
function cpuMs(): number {
  const { user, system } = 'threadCpuUsage' in process ? process.threadCpuUsage() : cpuUsage();
  return (user + system) / 1000;
}

/** The clock (`performance.now()`) and the processor time (microseconds) when the bundle began to load: its first line, which the build puts there. */
declare const tidemarkLoadStarted: {
  readonly at: number;
  readonly cpu: { readonly user: number; readonly system: number };
};
const loadMs = performance.now() - tidemarkLoadStarted.at;
const loadCpuMs = cpuMs() - (tidemarkLoadStarted.cpu.user + tidemarkLoadStarted.cpu.system) / 1000;

let active: App | undefined;

/** Called by VS Code once. */
export function activate(context: vscode.ExtensionContext): ExtensionApi {
  const started = performance.now();
  const cpuStarted = cpuMs();
  const app = createApp(context);
  active = app;
  const activationMs = loadMs + performance.now() - started;
  const activationCpuMs = loadCpuMs + cpuMs() - cpuStarted;
  app.logs.info(`activated in ${activationMs.toFixed(1)} ms`);
  const forTests = process.env['TIDEMARK_TEST_API'] === '1';
  return { api: 1, activationMs, activationCpuMs, ...(forTests ? { app } : {}) };
}

/** Ends the policy language server. There is nothing to save: runs belong to the daemon, and what was registered is freed by VS Code. */
export async function deactivate(): Promise<void> {
  await active?.end();
}
