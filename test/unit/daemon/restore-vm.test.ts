import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { RunServices } from '../../../server/daemon/runs/context.ts';
import { executeRestoreVm } from '../../../server/daemon/runs/restore-vm.ts';
import { restorePointId } from '../../../server/protocol/ids.ts';
import type { Repository } from '../../../server/repository/index.ts';
import { configuration, FakeBackup, vm } from './support/fake-backup.ts';

/** A restore point without disks: what is asked here is what becomes of the agent's answer. */
function servicesOf(fake: FakeBackup): RunServices {
  const stored = {
    readRestorePoint: async () => ({ vmName: 'sql01', configuration: 'c'.repeat(64), disks: [] }),
    readBlob: async () => Buffer.from(JSON.stringify(configuration)),
  };
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a stand-in with what a restore uses
  const repository = stored as unknown as Repository;
  return { ...fake.services, repositories: { open: async () => repository, names: () => ['main'] } };
}

for (const warnings of [undefined, ['Its fibre channel is left out.', 'It was defined anew.']]) {
  test(`what the host says of a restored VM is shown with the run: ${warnings?.join(' ') ?? 'an older agent says nothing'}`, async () => {
    const fake = new FakeBackup();
    fake.lies.set('restore/begin', () => ({ sessionId: 'restore-1' }));
    fake.lies.set('restore/commit', () => ({ vmId: vm, ...(warnings !== undefined && { warnings }) }));
    const request = {
      kind: 'restore-vm',
      restorePoint: restorePointId('01AAAAAAAAAAAAAAAAAAAAAAAA', ''),
      host: 'hv01',
      connectNetwork: false,
    } as const;
    const outcome = await executeRestoreVm(request, fake.context, servicesOf(fake));
    assert.deepEqual(outcome, { kind: 'restore-vm', host: 'hv01', vmId: vm, vmName: 'sql01' });
    assert.deepEqual(fake.warnings, warnings ?? []);
  });
}
