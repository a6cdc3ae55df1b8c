import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { PolicyProgress } from '../../../../server/daemon/policies/run/progress.ts';
import type { FollowedVm } from '../../../../server/daemon/policies/run/progress.ts';
import { runId } from '../../../../server/protocol/ids.ts';
import { policyRun } from '../notifications/sample.ts';

/** What a run shows: bytes done and in all, by part. */
class Shown {
  parts = new Map<string, { done: number; total: number }>();

  setDisks(disks: readonly { readonly name: string; readonly totalBytes: number }[]): void {
    this.parts = new Map(disks.map(({ name, totalBytes }) => [name, { done: 0, total: totalBytes }]));
  }

  advance(name: string, bytes: number): void {
    const part = this.parts.get(name);
    assert(part, name);
    part.done += bytes;
  }
}

const ids = Array.from({ length: 10 }, (_, digit) => runId(`01JD${String(digit).repeat(22)}`, 'id'));
const vm = (host: string, name: string): FollowedVm => ({ id: `${host}-${name}`, host, label: `${host}/${name}` });

function push(progress: PolicyProgress, run: number, doneBytes: number, totalBytes: number): void {
  const id = ids[run];
  assert(id);
  const info = policyRun([]);
  progress.push({ ...info, id, progress: { ...info.progress, doneBytes, totalBytes } });
}

function follow(progress: PolicyProgress, run: number, { id }: FollowedVm): void {
  const runOf = ids[run];
  assert(runOf);
  progress.follow(runOf, id);
}

describe('the progress of a policy’s run', () => {
  it('has a part for each VM, which a second attempt begins anew', () => {
    const shown = new Shown();
    const [a, b] = [vm('hv01', 'sql01'), vm('hv01', 'sql02')];
    const progress = new PolicyProgress(shown, [a, b]);
    follow(progress, 0, a);
    push(progress, 0, 0, 100);
    push(progress, 0, 60, 100);
    follow(progress, 1, a);
    push(progress, 1, 10, 100);
    assert.deepEqual(
      [...shown.parts],
      [
        ['hv01/sql01', { done: 10, total: 100 }],
        ['hv01/sql02', { done: 0, total: 0 }],
      ],
    );
  });

  it('has a part for each host when there are more than 200 VMs, and counts every byte once', () => {
    const shown = new Shown();
    const vms = Array.from({ length: 5000 }, (_, index) => vm(`hv0${index % 2}`, `vm${index}`));
    const progress = new PolicyProgress(shown, vms);
    for (const [run, one] of vms.slice(0, 4).entries()) {
      follow(progress, run, one);
      push(progress, run, 0, 100);
      push(progress, run, 30 + run, 100);
    }
    assert.deepEqual(
      [...shown.parts],
      [
        ['hv00', { done: 62, total: 200 }],
        ['hv01', { done: 64, total: 200 }],
      ],
    );
  });

  it('takes no part of runs that are not its own', () => {
    const shown = new Shown();
    const progress = new PolicyProgress(shown, [vm('hv01', 'sql01')]);
    push(progress, 5, 10, 10);
    assert.deepEqual([...shown.parts], [['hv01/sql01', { done: 0, total: 0 }]]);
  });
});
