import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import * as vscode from 'vscode';

import { simulatorNames } from '../../server/protocol/daemon.ts';
import type { VmEntry } from '../../server/protocol/daemon.ts';
import { activated, endOfNewRun, eventually, knownRuns, simulator } from './support.ts';

/** A real daemon, a real agent, disks that are real VHDX files. */
describe('a backup of the simulated host', () => {
  let vms: readonly VmEntry[] = [];
  before(async () => {
    vms = await simulator();
  });

  it('has a host with VMs and a repository after one command', async () => {
    const { app } = await activated();
    assert.ok(vms.length > 1);
    await app.stores.repositories.load({ force: true });
    assert.ok(app.stores.repositories.repository(simulatorNames.repository));
    assert.equal(app.daemon.state.kind, 'connected');
  });

  it('backs a VM up, the run streams into the store, and the restore point appears', async () => {
    const { app } = await activated();
    const [first] = vms;
    assert.ok(first);
    const seen = new Set<string>();
    const watch = app.stores.runs.onDidChange(({ changed }) =>
      changed.forEach(({ progress }) => seen.add(progress.phase)),
    );
    const known = await knownRuns();
    await vscode.commands.executeCommand('tidemark.vm.backUp', {
      host: first.host,
      vmId: first.vm.id,
      vmName: first.vm.name,
    });
    const run = await endOfNewRun(known);
    watch.dispose();
    assert.equal(run.state, 'succeeded', run.error?.message);
    assert.ok(seen.size > 0, 'the store told of the run while it went on');
    const query = { repository: simulatorNames.repository, vm: first.vm.id };
    await app.stores.restorePoints.load(query, { force: true });
    assert.equal(app.stores.restorePoints.list(query).value.points.length, 1);
    await eventually('the last backup of the VM', () => {
      void app.stores.vms.load(first.host, { force: true });
      return app.stores.vms.vm(first.host, first.vm.id)?.lastRestorePoint;
    });
  });
});
