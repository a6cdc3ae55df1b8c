/** `tidemark agent self-test` through the real provider, module and PowerShell, over the fake Hyper-V. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import type { Command } from '../../../server/agent/hyperv/commands/command.ts';
import * as commands from '../../../server/agent/hyperv/commands/index.ts';
import { createPowerShell } from '../../../server/agent/hyperv/powershell/index.ts';
import { cleanUpSelfTests, runSelfTest } from '../../../server/agent/hyperv/self-test/index.ts';
import type { SelfTestOptions, SelfTestReport } from '../../../server/agent/hyperv/self-test/index.ts';
import { backups } from '../../../server/agent/hyperv/self-test/items/changes.ts';
import { missingObjects } from '../../../server/agent/hyperv/self-test/items/objects.ts';
import { selfTestReport } from '../../../server/agent/hyperv/self-test/report.ts';
import { lineLogger } from '../../../server/base/log.ts';
import { errorCodes, TidemarkError } from '../../../server/protocol/errors.ts';
import { checkpointId } from '../../../server/protocol/ids.ts';
import { json } from '../../../server/protocol/parse.ts';
import { createVhdx } from '../../../server/vhdx/index.ts';
import { runCliProcess } from '../../support/cli-process.ts';
import { skipWithoutDotnet, testPowerShell } from '../../support/hyperv/pwsh.ts';
import { MiB } from '../../unit/simulated/support.ts';
import { fastJobs, hyperVSite } from './support.ts';
import type { HyperVSite } from './support.ts';

async function optionsFor(t: TestContext, site: HyperVSite, lines: string[] = []): Promise<SelfTestOptions> {
  const { executable, environment } = await testPowerShell();
  const log = lineLogger((line) => lines.push(line));
  const powershell = createPowerShell({
    executable,
    environment: { ...process.env, ...environment, TIDEMARK_FAKE_HYPERV: site.vmms.address },
    maxSessions: 2,
    log,
  });
  t.after(() => powershell[Symbol.asyncDispose]());
  const freeSpace = { warnBytes: 0, warnPercent: 0, refuseBytes: 0 };
  return {
    folder: join(site.directory, 'self-test'),
    program: 'tidemark test',
    say: (text) => lines.push(text),
    log,
    signal: t.signal,
    powershell,
    provider: { ...fastJobs, freeSpace },
    guestMs: 1,
  };
}

/** What the other VM of the host is: its files, and what hangs at it. */
async function otherVm(site: HyperVSite): Promise<unknown> {
  const folder = join(site.root, 'vms', 'web');
  const hashes: Record<string, string> = {};
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const file = join(entry.parentPath, entry.name);
    hashes[file] = createHash('sha256')
      .update(await readFile(file))
      .digest('hex');
  }
  return { hashes, foreign: site.vmms.foreign() };
}

const stateOf = (report: SelfTestReport): string =>
  report.items.map(({ number, state }) => `${number}${state === 'settled' ? '+' : '-'}`).join(' ');

const answersTo = (report: SelfTestReport, number: number): string =>
  (report.items.find((item) => item.number === number)?.questions ?? [])
    .map(({ question, answer, reason }) => `${question}: ${answer ?? reason ?? ''}`)
    .join('\n');

async function vmFolders(site: HyperVSite): Promise<readonly string[]> {
  return readdir(join(site.root, 'vms'));
}

test('with a guest that writes, from start to end; nothing is left, and no other VM is touched', async (t) => {
  if (skipWithoutDotnet(t)) return;
  const site = await hyperVSite(t);
  await site.vmms.foreignReferencePoint(site.vm.id);
  await site.vmms.foreignSnapshot(site.vm.id);
  const before = await otherVm(site);
  site.vmms.faults.set({ guestWrites: true, changedRanges: 16 });
  const image = join(site.directory, 'image.vhdx');
  await createVhdx(image, { sizeBytes: 16 * MiB });
  const lines: string[] = [];
  const options = await optionsFor(t, site, lines);
  const report = await runSelfTest({ ...options, image, restartVmms: () => site.vmms.restart() });
  const text = JSON.stringify(report, undefined, 1);
  assert.ok(report.complete, text);
  assert.deepEqual(report.cleanUp, { done: true, left: [] });
  // What takes another host, a guest of its own, or native functions stays open, and says so.
  assert.equal(stateOf(report), '1+ 2- 3+ 4- 5- 6- 7- 8- 9+ 10+ 11+ 12- 13- 14- 15+ 16-', text);
  assert.match(answersTo(report, 1), /All four are the same byte for byte/);
  assert.match(answersTo(report, 2), /after a restart of the service vmms: It still answers/);
  assert.match(answersTo(report, 3), /converted checkpoint has type 2.*1 makes one of type 2/);
  assert.match(answersTo(report, 5), /An id that no disk knows: It is refused: return value 32768.*0xC03A0029/);
  assert.match(answersTo(report, 5), /A call ended after 16 ranges/);
  assert.match(answersTo(report, 6), /multiples of \d+ bytes/);
  assert.match(answersTo(report, 7), /Writing into the file[^\n]*noticed/);
  assert.match(answersTo(report, 9), /Microsoft:<VM>\\DiskMerge/);
  assert.match(answersTo(report, 11), /The second time gives return value 32773/);
  assert.deepEqual(await otherVm(site), before);
  assert.deepEqual(await vmFolders(site), ['web']);
  assert.deepEqual(site.vmms.leftovers(), []);
  assert.deepEqual((await readdir(options.folder ?? '')).toSorted(), ['records', 'self-test.lock']);
  assert.deepEqual(await readdir(join(options.folder ?? '', 'records')), []);
  assert.ok(!text.includes('"web"') && !text.includes(site.vm.id) && !text.includes(site.directory), 'names of others');
});

test('without a guest it says what is not settled and why; what Hyper-V refuses is an answer too', async (t) => {
  if (skipWithoutDotnet(t)) return;
  const site = await hyperVSite(t, { build: 14_393 });
  site.vmms.faults.set({ missingObject: 5, returnCodes: { CompactVirtualHardDisk: 32_770 }, offWithLevel1: 'crash' });
  const report = await runSelfTest(await optionsFor(t, site));
  assert.match(answersTo(report, 1), /Without an image there is no guest that writes/);
  assert.match(answersTo(report, 2), /--restart-vmms/);
  assert.match(answersTo(report, 4), /VM that is off: It makes a checkpoint/);
  assert.match(answersTo(report, 7), /Compacting[^\n]*refused: return value 32770/);
  assert.match(answersTo(report, 11), /return value 5/);
  assert.match(
    answersTo(report, 14),
    /GuestBackupType is missing, ExcludedVirtualHardDisks is missing, GuestStateFile is missing/,
  );
  assert.equal(report.items.find(({ number }) => number === 14)?.state, 'settled');
  assert.deepEqual(report.cleanUp, { done: true, left: [] });
});

test('a step that fails costs its own answers only', async (t) => {
  if (skipWithoutDotnet(t)) return;
  const site = await hyperVSite(t);
  const options = await optionsFor(t, site);
  const report = await runSelfTest({
    ...options,
    steps: [backups, missingObjects],
    say: (text) => {
      if (text.startsWith('1 of ')) site.vmms.faults.set({ returnCodes: { ConvertToReferencePoint: 32_768 } });
      if (text.startsWith('2 of ')) site.vmms.faults.reset();
    },
  });
  assert.match(answersTo(report, 1), /It failed/);
  assert.match(answersTo(report, 11), /The second time gives/);
  assert.match(answersTo(report, 15), /No step has an answer/);
  assert.ok(report.complete && report.cleanUp.done);
});

test('no function of it does anything to a VM of another name, whatever that VM has', async (t) => {
  if (skipWithoutDotnet(t)) return;
  const site = await hyperVSite(t);
  const { vmms, vm } = site;
  const point = await vmms.foreignReferencePoint(vm.id);
  const snapshot = await vmms.foreignSnapshot(vm.id);
  const before = await otherVm(site);
  const { powershell } = await optionsFor(t, site);
  assert.ok(powershell);
  const refused = async <A extends object, R>(command: Command<A, R>, args: A): Promise<void> => {
    const isRefused = (error: unknown): boolean => TidemarkError.is(error, errorCodes.notOwnObject);
    await assert.rejects(powershell.invoke(command, args, { signal: t.signal }), isRefused, command.name);
  };
  const VmId = vm.id;
  const Path = join(site.root, 'vms', 'web', 'os.vhdx');
  const CheckpointId = checkpointId(snapshot, 'id');
  await refused(commands.startScratchState, { VmId, State: 3 });
  await refused(commands.startScratchSnapshot, { VmId, Level: 2 });
  await refused(commands.startScratchReferencePoint, { VmId, Type: 1 });
  await refused(commands.removeScratchPart, { VmId, Kind: 'snapshot', Id: snapshot });
  await refused(commands.removeScratchPart, { VmId, Kind: 'referencePoint', Id: point });
  await refused(commands.getScratchChange, { VmId, Path, Since: 'x', Offset: 0, Length: 1 });
  await refused(commands.startScratchDiskChange, { VmId, Path, Action: 'compact', SizeBytes: 0 });
  await refused(commands.startScratchExport, { VmId, CheckpointId, Directory: site.directory, BackupIntent: 0 });
  await refused(commands.getScratchFact, { VmId, Path });
  await refused(commands.startScratchRemoval, { VmId });
  assert.deepEqual(await otherVm(site), before);
});

test('stopped in the middle it removes everything and tells what it has', async (t) => {
  if (skipWithoutDotnet(t)) return;
  const site = await hyperVSite(t);
  const stop = new AbortController();
  const options = await optionsFor(t, site);
  const report = await runSelfTest({
    ...options,
    signal: stop.signal,
    say: (text) => {
      if (text.includes('Incremental 1')) stop.abort();
    },
  });
  assert.equal(report.complete, false);
  assert.match(answersTo(report, 11), /The second time gives/);
  assert.match(answersTo(report, 15), /was stopped before/);
  assert.deepEqual(report.cleanUp, { done: true, left: [] });
  assert.deepEqual(await vmFolders(site), ['web']);
});

test('killed in the middle, it is cleaned up by the next one who is asked', async (t) => {
  if (skipWithoutDotnet(t)) return;
  const site = await hyperVSite(t);
  const before = await otherVm(site);
  const { executable, environment } = await testPowerShell();
  const env = { ...process.env, ...environment, NODE_POWERSHELL: executable, TIDEMARK_FAKE_HYPERV: site.vmms.address };
  const folder = join(site.directory, 'self-test');
  const cli = fileURLToPath(new URL('../../../server/cli/main.ts', import.meta.url));
  const child = spawn(process.execPath, [cli, 'agent', 'self-test', '--yes', '--folder', folder], { env });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (said += chunk));
  while (!said.includes('Full backup')) {
    assert.equal(child.exitCode, null, said);
    await sleep(20);
  }
  child.kill('SIGKILL');
  await once(child, 'exit');
  assert.equal((await vmFolders(site)).length, 2);
  await site.vmms.mergesSettled();
  const { removed, left } = await cleanUpSelfTests(await optionsFor(t, site));
  assert.deepEqual([removed.length, left], [1, []]);
  assert.deepEqual(await vmFolders(site), ['web']);
  assert.deepEqual(await otherVm(site), before);
  assert.deepEqual((await readdir(folder)).toSorted(), ['records', 'self-test.lock']);
});

test('the command asks first, writes the report, and keeps the VM when that is wanted', async (t) => {
  if (skipWithoutDotnet(t)) return;
  const site = await hyperVSite(t);
  const { executable, environment } = await testPowerShell();
  const env = { ...environment, NODE_POWERSHELL: executable, TIDEMARK_FAKE_HYPERV: site.vmms.address };
  const folder = join(site.directory, 'self-test');
  const refused = await runCliProcess(['agent', 'self-test', '--folder', folder], { env });
  assert.equal(refused.code, 2);
  assert.match(refused.stderr, /Making a VM needs a yes/);
  assert.deepEqual(await vmFolders(site), ['web']);
  const reportFile = join(site.directory, 'report.json');
  const args = ['agent', 'self-test', '--yes', '--keep', '--folder', folder, '--report', reportFile];
  const { code, stdout, stderr } = await runCliProcess(args, { env });
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^ 1\. A full backup[^\n]*not settled$/m);
  const report = json(await readFile(reportFile, 'utf8'), selfTestReport, reportFile);
  assert.equal(report.items.length, 16);
  assert.ok(report.vm.kept);
  const cleaned = await runCliProcess(['agent', 'self-test', '--clean-up', '--folder', folder], { env });
  assert.match(cleaned.stdout, new RegExp(`Removed: ${report.vm.name}`));
  assert.deepEqual(await vmFolders(site), ['web']);
});
