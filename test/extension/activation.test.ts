import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import * as vscode from 'vscode';

import { activated, extension } from './support.ts';

describe('activation', () => {
  it('runs from the installed package, where the workspace is', () => {
    const { extensionPath, extensionKind } = extension();
    assert.match(extensionPath.replaceAll('\\', '/'), /\/extensions\/tidemark\.tidemark-\d+\.\d+\.\d+$/);
    if (vscode.env.remoteName !== undefined) assert.equal(extensionKind, vscode.ExtensionKind.Workspace);
  });

  it('costs less than 100 ms of processor time', async (t) => {
    const { activationMs, activationCpuMs } = await activated();
    t.diagnostic(
      `note: activation: ${activationMs.toFixed(1)} ms, of which the processor ${activationCpuMs.toFixed(1)} ms`,
    );
    assert.ok(activationCpuMs < 100, `${activationCpuMs} ms`);
  });

  it('does not load the language client before a policy is open', async () => {
    await activated();
    const { extensionPath } = extension();
    const loaded = Object.keys(createRequire(join(extensionPath, 'package.json')).cache);
    assert.ok(loaded.some((file) => file.endsWith('extension.cjs')));
    assert.ok(!loaded.some((file) => file.endsWith('policy-language-client.cjs')));
  });

  it('handles every command of the manifest', async () => {
    const { app } = await activated();
    assert.deepEqual(app.commands.missing(), []);
  });

  it('neither connects nor starts a daemon before a view or a command needs one', async () => {
    // This file's tests run first, and the views are closed in a window that runs tests.
    const { app } = await activated();
    assert.deepEqual(app.daemon.state, { kind: 'disconnected', reason: 'not-used' });
  });
});
