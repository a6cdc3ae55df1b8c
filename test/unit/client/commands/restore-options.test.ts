import assert from 'node:assert/strict';
import { test } from 'node:test';

import * as fc from 'fast-check';

import { vmsWithPoints } from '../../../../client/commands/flows/point-vms.ts';
import {
  proposedHost,
  restoredFileName,
  restoredVmName,
  vmNameProblem,
} from '../../../../client/commands/flows/restore-options.ts';
import { restorePointId, vmId } from '../../../../server/protocol/ids.ts';
import { ulid } from '../support/samples.ts';

const createdAt = new Date(2026, 0, 31, 7, 5).toISOString();

test('A file is named after VM, disk and time', () => {
  assert.equal(restoredFileName({ vmName: 'sql01', createdAt }, 'os', 'vhdx'), 'sql01-os-2026-01-31-0705.vhdx');
  assert.equal(restoredFileName({ vmName: 'sql01', createdAt }, 'os', 'raw'), 'sql01-os-2026-01-31-0705.raw');
});

test('Whatever VM and disk are called, the file name is one that every system takes', () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (vmName, disk) => {
      const name = restoredFileName({ vmName, createdAt }, disk, 'raw');
      // oxlint-disable-next-line no-control-regex -- Windows refuses them
      assert.doesNotMatch(name, /[<>:"/\\|?*\u0000-\u001F]|^[.-]/);
      assert.ok(name.length <= 210);
    }),
  );
});

test('The proposed name of a restored VM is its own when that is free, and always free', () => {
  assert.equal(restoredVmName('sql01', []), 'sql01');
  assert.equal(restoredVmName('sql01', ['SQL01']), 'sql01-restored');
  assert.equal(restoredVmName('sql01', ['sql01', 'SQL01-Restored', 'sql01-restored-2']), 'sql01-restored-3');
  fc.assert(
    fc.property(fc.array(fc.constantFrom('a', 'A', 'a-restored', 'a-restored-2')), (taken) => {
      assert.equal(vmNameProblem(restoredVmName('a', taken), taken), undefined);
    }),
  );
});

test('A name that Windows cannot put into a file name is refused as it is typed', () => {
  for (const name of ['', ' ', 'a:b', 'a/b', 'a.', 'x'.repeat(101)]) assert.ok(vmNameProblem(name, []), name);
  assert.match(vmNameProblem('SQL01', ['sql01']) ?? '', /another name/);
  assert.equal(vmNameProblem('sql01 (test)', ['sql01']), undefined);
});

test('The host that the VM came from is proposed, else the first', () => {
  assert.equal(proposedHost({ host: 'hv02' }, ['hv01', 'hv02']), 'hv02');
  assert.equal(proposedHost({ host: 'gone' }, ['hv01', 'hv02']), 'hv01');
  assert.equal(proposedHost({ host: 'gone' }, []), undefined);
});

test('A VM in two repositories is one line with both counts, under its newest name', () => {
  const id = vmId('AAAAAAAA-0000-0000-0000-000000000001', '');
  const entry = (vmName: string, count: number, newestAt: string) => ({
    vmId: id,
    vmName,
    count,
    newestAt,
    oldestAt: '2026-01-01T00:00:00Z',
    newest: restorePointId(ulid(1), ''),
  });
  const summary = (vms: readonly ReturnType<typeof entry>[]) => ({ restorePoints: 1, vms, days: [], damaged: [] });
  const vms = vmsWithPoints([
    summary([entry('new-name', 2, '2026-01-31T00:00:00Z')]),
    undefined,
    summary([entry('old-name', 3, '2026-01-30T00:00:00Z')]),
  ]);
  assert.deepEqual(vms, [{ vmId: id, vmName: 'new-name', count: 5, newestAt: '2026-01-31T00:00:00Z' }]);
});
