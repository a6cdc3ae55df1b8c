/** What the tests inside VS Code share. Each test file is a bundle of its own: what is kept lies in the extension, not here. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import * as vscode from 'vscode';

import type { App } from '../../client/app.ts';
import type { ExtensionApi } from '../../client/extension.ts';
import { simulatorNames } from '../../server/protocol/daemon.ts';
import type { RunInfo, VmEntry } from '../../server/protocol/daemon.ts';

export const extensionId = 'tidemark.tidemark';

/** The installed extension. */
export function extension(): vscode.Extension<ExtensionApi> {
  const found = vscode.extensions.getExtension<ExtensionApi>(extensionId);
  assert.ok(found, `${extensionId} is not installed`);
  return found;
}

/** What the extension exports to tests; activated if it was not. */
export async function activated(): Promise<ExtensionApi & { readonly app: App }> {
  const { app, ...rest } = await extension().activate();
  assert.ok(app, 'TIDEMARK_TEST_API=1 is not in the environment of the extension host');
  return { ...rest, app };
}

/** Waits until what `read` gives is neither undefined nor false, and gives it. */
export async function eventually<T>(what: string, read: () => T | undefined | false): Promise<T> {
  const end = Date.now() + 60_000;
  for (;;) {
    const value = read();
    if (value !== undefined && value !== false) return value;
    assert.ok(Date.now() < end, `In a minute this did not come: ${what}`);
    await sleep(50);
  }
}

/** Makes the simulated host by its command, unless it is there, and waits for its VMs. */
export async function simulator(): Promise<readonly VmEntry[]> {
  const { app } = await activated();
  const { host } = simulatorNames;
  await vscode.commands.executeCommand('tidemark.simulator.try');
  await app.stores.hosts.load({ force: true });
  assert.ok(app.stores.hosts.host(host), 'the simulated host is in the list');
  await app.stores.vms.load(host, { force: true });
  const vms = app.stores.vms.vms(host);
  assert.equal(vms.error, undefined);
  return vms.value;
}

/** The run about `title` that began after `known` were there, when it has ended. */
export async function endOfNewRun(known: ReadonlySet<string>): Promise<RunInfo> {
  const { app } = await activated();
  return eventually('a new run that has ended', () =>
    app.stores.runs.runs.value.find((run) => !known.has(run.id) && run.finishedAt !== undefined),
  );
}

/** Ids of the runs known now. */
export async function knownRuns(): Promise<ReadonlySet<string>> {
  const { app } = await activated();
  return new Set(app.stores.runs.runs.value.map(({ id }) => id));
}
