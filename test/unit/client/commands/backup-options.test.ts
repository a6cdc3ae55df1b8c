import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  activeBackupOf,
  backupRequest,
  distinctVms,
  onlyRepository,
} from '../../../../client/commands/flows/backup-options.ts';
import { questionBefore, replacesFile } from '../../../../client/commands/flows/run-again.ts';
import { backupRequest as backupParser } from '../../../../server/protocol/daemon.ts';
import { restorePointId, vmId } from '../../../../server/protocol/ids.ts';
import { sampleRun, ulid } from '../support/samples.ts';

const id = vmId('AAAAAAAA-0000-0000-0000-000000000001', '');
const other = vmId('AAAAAAAA-0000-0000-0000-000000000002', '');
const vm = { host: 'hv01', vmId: id, vmName: 'sql01' };

test('A backup names the VM by its id, which no other VM ever has', () => {
  const request = backupRequest(vm, 'main', 'full');
  assert.equal(request.vm, id);
  assert.equal(request.host, 'hv01');
  assert.deepEqual(backupParser(request, ''), request);
});

test('A VM that was chosen twice is backed up once; the same id on two hosts is two VMs', () => {
  const moved = { ...vm, host: 'hv02' };
  assert.deepEqual(distinctVms([vm, moved, { ...vm }]), [vm, moved]);
});

test('The run that has the VM already is found by id or by name, on its host only', () => {
  const byId = { ...sampleRun(1, 'running'), request: backupRequest(vm, 'main', 'full') };
  assert.equal(activeBackupOf(vm, [byId]), byId);
  const byName = { ...byId, request: { ...backupRequest(vm, 'main', 'full'), vm: 'sql01' } };
  assert.equal(activeBackupOf(vm, [byName]), byName);
  assert.equal(activeBackupOf({ ...vm, host: 'hv02' }, [byId]), undefined);
  assert.equal(activeBackupOf({ ...vm, vmId: other, vmName: 'sql02' }, [byId, byName]), undefined);
});

test('A repository is used without asking only when it is the only one', () => {
  assert.equal(onlyRepository(['main']), 'main');
  assert.equal(onlyRepository([]), undefined);
  assert.equal(onlyRepository(['main', 'off-site']), undefined);
});

test('Running a restore again asks first when it would replace a file', () => {
  const restore = {
    kind: 'restore-disk',
    restorePoint: restorePointId(ulid(1), ''),
    disk: 'os',
    target: '/srv/os.vhdx',
    format: 'vhdx',
  } as const;
  assert.equal(replacesFile({ ...restore, overwrite: true }), '/srv/os.vhdx');
  assert.equal(replacesFile({ ...restore, overwrite: false }), undefined);
  assert.equal(replacesFile(backupRequest(vm, 'main', 'full')), undefined);
});

test('Run Again asks before it deletes restore points or unused data, and names the repository', () => {
  const prune = { kind: 'prune', repository: 'main', keepLast: 3, dryRun: false } as const;
  assert.match(questionBefore(prune)?.message ?? '', /restore points.*main/);
  assert.match(questionBefore(prune)?.detail ?? '', /newest 3 .*cannot be undone/);
  const gc = { kind: 'gc', repository: 'main', dryRun: false, now: true } as const;
  assert.match(questionBefore(gc)?.message ?? '', /main/);
  for (const request of [{ ...prune, dryRun: true }, { ...gc, dryRun: true }, backupRequest(vm, 'main', 'full')])
    assert.equal(questionBefore(request), undefined);
});
