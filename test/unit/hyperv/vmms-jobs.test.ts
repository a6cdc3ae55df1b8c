import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'node:test';

import { setVssBehaviour } from '../../../server/agent/simulated/index.ts';
import { AnsweredError, jobOf } from '../../support/hyperv/vmms/client.ts';
import type { VmmsClient } from '../../support/hyperv/vmms/client.ts';
import { vmReference } from '../../support/hyperv/vmms/model/references.ts';
import { isInstance, isList, isReference, textOf } from '../../support/hyperv/vmms/wire.ts';
import type { Reference, Value } from '../../support/hyperv/vmms/wire.ts';
import {
  convertSnapshot,
  ended,
  finish,
  lab,
  snapshotReference,
  snapshotService,
  snapshotSettings,
  takeSnapshot,
} from './vmms-support.ts';

const creation = (vmId: string, level = 2) => ({
  AffectedSystem: vmReference(vmId),
  SnapshotSettings: snapshotSettings(level),
  SnapshotType: 32_768,
});

const start = async (client: VmmsClient, vmId: string, level?: number): Promise<Reference> =>
  jobOf((await client.invoke(snapshotService, 'CreateSnapshot', creation(vmId, level))).out);

/** The messages of `GetErrorEx`. */
async function errorsOf(client: VmmsClient, job: Reference): Promise<readonly string[]> {
  const { Errors } = (await client.invoke(job, 'GetErrorEx', {})).out;
  return isList(Errors) ? Errors.filter(isInstance).map((error) => textOf(error, 'Message')) : [];
}

const notFound = (error: unknown): boolean => error instanceof AnsweredError && error.hresult === '0x80041002';

test('a job is new, then starting, then running, then completed; its percentage never falls', async (t) => {
  const { client, vm, vmms } = await lab(t);
  vmms.faults.set({ jobMs: { CreateSnapshot: 60 } });
  const job = await start(client, vm.id);
  const seen: [Value | undefined, number][] = [];
  for (let state: Value | undefined = 0; state !== 7; await sleep(3)) {
    const { properties } = await client.get(job);
    state = properties['JobState'];
    seen.push([state, Number(properties['PercentComplete'])]);
  }
  assert.deepEqual([...new Set(seen.map(([state]) => state))], [2, 3, 4, 7]);
  const percents = seen.map(([, percent]) => percent);
  assert.deepEqual(
    percents,
    percents.toSorted((a, b) => a - b),
  );
  assert.equal(percents.at(-1), 100);
  assert.equal(await errorsOf(client, job).then((errors) => errors.length), 0);
});

test('a job can be asked about for five minutes after its end, and not longer', async (t) => {
  let now = 1_800_000_000_000;
  const { client, vm } = await lab(t, { vmms: { now: () => now } });
  const job = await start(client, vm.id);
  await ended(client, job);
  now += 299_999;
  await client.get(job);
  now += 1;
  await assert.rejects(client.get(job), notFound);
  await assert.rejects(client.invoke(job, 'GetErrorEx', {}), notFound);
});

test('a job that is cancelled is terminated or killed, and what it was to do is not done', async (t) => {
  const { client, vm, vmms } = await lab(t);
  vmms.faults.set({ stuckJobs: ['CreateSnapshot'] });
  for (const [requested, state] of [
    [4, 8],
    [5, 9],
  ] as const) {
    const job = await start(client, vm.id);
    const ask = (RequestedState: number) => client.invoke(job, 'RequestStateChange', { RequestedState });
    assert.equal((await ask(2)).returnValue, 5);
    vmms.faults.set({ cancelReturns: 4099 });
    assert.equal((await ask(requested)).returnValue, 4099);
    vmms.faults.set({ cancelReturns: 0, cancellable: { CreateSnapshot: false } });
    assert.equal((await ask(requested)).returnValue, 32_775);
    vmms.faults.set({ cancellable: {} });
    assert.equal((await ask(requested)).returnValue, 0);
    assert.equal((await ended(client, job)).properties['JobState'], state);
    assert.equal((await ask(requested)).returnValue, 4097);
  }
  assert.deepEqual(vmms.leftovers(), []);
});

test('a guest whose VSS hangs keeps the job waiting until it is cancelled', async (t) => {
  const { client, root, vm } = await lab(t);
  await setVssBehaviour(root, 'web', 'hanging');
  const job = await start(client, vm.id, 1);
  for (let asked = 0; asked < 5; asked++) assert.ok(Number((await client.get(job)).properties['JobState']) <= 4);
  await client.invoke(job, 'RequestStateChange', { RequestedState: 4 });
  assert.equal((await ended(client, job)).properties['JobState'], 8);
});

test('the end of a job can be chosen: every state, code, HRESULT and text, done or not', async (t) => {
  const made = await lab(t);
  const { client, vm, vmms } = made;
  const ends = [
    { state: 10, errorCode: 32_768, hresult: 0x800423f4, worked: false },
    { state: 7, errorCode: 32_775, worked: false },
    { state: 32_768, errorCode: 0, worked: true },
    { state: 10, errorCode: 32_768, text: '', worked: true },
  ];
  for (const end of ends) {
    vmms.faults.set({ jobEnds: { CreateSnapshot: end } });
    const job = await start(client, vm.id);
    const instance = await ended(client, job);
    assert.deepEqual([instance.properties['JobState'], instance.properties['ErrorCode']], [end.state, end.errorCode]);
    if (end.hresult !== undefined) assert.match(textOf(instance, 'ErrorDescription'), /\(0x800423F4\)/);
    assert.equal(vmms.leftovers().length, end.worked ? 1 : 0);
    for (const { id } of vmms.leftovers()) await vmms.removeSnapshot(id);
    await vmms.mergesSettled();
  }
});

test('a method can be done at once: it answers 0 with the result, or the code of its failure', async (t) => {
  const { client, root, vm, vmms } = await lab(t);
  vmms.faults.set({ returns: { CreateSnapshot: 'done', ConvertToReferencePoint: 'done' } });
  const { returnValue, out } = await client.invoke(snapshotService, 'CreateSnapshot', creation(vm.id));
  assert.equal(returnValue, 0);
  const { ResultingSnapshot } = out;
  assert(isReference(ResultingSnapshot));
  await client.get(ResultingSnapshot);
  const given = { AffectedSnapshot: ResultingSnapshot, ReferencePointSettings: null };
  const converted = await client.invoke(snapshotService, 'ConvertToReferencePoint', given);
  assert(isReference(converted.out['ResultingReferencePoint']));
  await client.get(converted.out['ResultingReferencePoint']);
  await vmms.mergesSettled();
  await setVssBehaviour(root, 'web', 'failing');
  const failed = await client.invoke(snapshotService, 'CreateSnapshot', creation(vm.id, 1));
  assert.deepEqual(failed, { returnValue: 32_768, out: {} });
});

test('a failed job tells why in words and with the HRESULT, in German too', async (t) => {
  const { client, root, vm, vmms } = await lab(t);
  await setVssBehaviour(root, 'web', 'failing');
  for (const [language, words] of [
    ['en', /^The operation 'Creating Virtual Machine Checkpoint' failed\./],
    ['de', /^Fehler beim Vorgang/],
  ] as const) {
    vmms.faults.set({ language });
    const job = await start(client, vm.id, 1);
    const instance = await ended(client, job);
    assert.equal(instance.properties['JobState'], 10);
    assert.match(textOf(instance, 'ErrorDescription'), words);
    assert.match(textOf(instance, 'ErrorDescription'), /\(0x800423F4\)/);
    assert.deepEqual(await errorsOf(client, job), [textOf(instance, 'ErrorDescription')]);
  }
});

test('when VMMS restarts its jobs are gone and one question fails; what was done stays, what was not is not done', async (t) => {
  const made = await lab(t);
  const { client, vm, vmms } = made;
  const snapshot = await takeSnapshot(made);
  vmms.faults.set({ stuckJobs: ['ConvertToReferencePoint'] });
  const given = { AffectedSnapshot: snapshotReference(snapshot), ReferencePointSettings: null };
  const { out } = await client.invoke(snapshotService, 'ConvertToReferencePoint', given);
  await vmms.restart();
  await assert.rejects(
    client.get(jobOf(out)),
    (error) => error instanceof AnsweredError && error.hresult === '0x800706BE',
  );
  await assert.rejects(client.get(jobOf(out)), notFound);
  assert.deepEqual(await client.enumerate('Msvm_ConcreteJob'), []);
  await client.get(snapshotReference(snapshot));
  vmms.faults.reset();
  await convertSnapshot(made, snapshot);
  assert.equal((await client.get(vmReference(vm.id))).properties['EnabledState'], 2);
});

test('the merge goes on after the job has ended, shows itself, and refuses a snapshot meanwhile', async (t) => {
  const made = await lab(t);
  const { client, vm, vmms } = made;
  const snapshot = await takeSnapshot(made);
  vmms.faults.set({ mergeMs: 3_600_000 });
  const { job } = await finish(client, snapshotService, 'DestroySnapshot', {
    AffectedSnapshot: snapshotReference(snapshot),
  });
  assert.equal(job.properties['JobState'], 7);
  assert.deepEqual((await client.get(vmReference(vm.id))).properties['OperationalStatus'], [2, 32_772]);
  assert.equal((await client.invoke(snapshotService, 'CreateSnapshot', creation(vm.id))).returnValue, 32_775);
  vmms.faults.set({ mergeMs: 0 });
  await vmms.mergesSettled();
  assert.deepEqual((await client.get(vmReference(vm.id))).properties['OperationalStatus'], [2]);
  await takeSnapshot(made);
});
