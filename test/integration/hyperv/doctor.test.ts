/** `tidemark agent doctor` through the real module, in a real PowerShell, over the fake Hyper-V. */
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { chmod, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';

import { examine } from '../../../server/agent/hyperv/doctor/index.ts';
import type { DoctorReport, Finding } from '../../../server/agent/hyperv/doctor/index.ts';
import { startExport } from '../../../server/agent/hyperv/commands/index.ts';
import { createCalls } from '../../../server/agent/hyperv/calls/powershell-calls.ts';
import { createPowerShell } from '../../../server/agent/hyperv/powershell/index.ts';
import type { PowerShell } from '../../../server/agent/hyperv/powershell/index.ts';
import { setUpAgent } from '../../../server/agent/set-up/set-up.ts';
import { silentLogger } from '../../../server/base/log.ts';
import { errorCodes } from '../../../server/protocol/errors.ts';
import { integer, json, object, record } from '../../../server/protocol/parse.ts';
import { runCliProcess } from '../../support/cli-process.ts';
import { copyVm } from '../../support/hyperv/many-vms.ts';
import { skipWithoutDotnet, testPowerShell } from '../../support/hyperv/pwsh.ts';
import { checkpointOf } from '../../unit/simulated/support.ts';
import { hyperVSite } from './support.ts';
import type { HyperVSite } from './support.ts';

/** Room enough for any machine that runs tests. */
const freeSpace = { warnBytes: 0, warnPercent: 0, refuseBytes: 0 };

async function shellOf(t: TestContext, site: HyperVSite): Promise<PowerShell> {
  const { executable, environment } = await testPowerShell();
  const powershell = createPowerShell({
    executable,
    environment: { ...process.env, ...environment, TIDEMARK_FAKE_HYPERV: site.vmms.address },
    maxSessions: 1,
    quietMs: 4_000,
    log: silentLogger,
  });
  t.after(() => powershell[Symbol.asyncDispose]());
  return powershell;
}

async function doctorOf(
  t: TestContext,
  site: HyperVSite,
  configFile?: string,
  now?: () => number,
): Promise<DoctorReport> {
  const powershell = await shellOf(t, site);
  return examine({ configFile, powershell, freeSpace, now, log: silentLogger, signal: t.signal });
}

/** An agent that was set up beside the host, with the site's state folder. */
async function agentBeside(site: HyperVSite): Promise<string> {
  const { configFile } = await setUpAgent({
    directory: join(site.directory, 'agent'),
    listen: 'https://127.0.0.1:8440',
    provider: 'hyperv',
    password: async () => 'a long password of a test',
  });
  const text = await readFile(configFile, 'utf8');
  const config = json(
    text,
    record((entry) => entry),
    configFile,
  );
  await writeFile(
    configFile,
    JSON.stringify({ ...config, listen: 'https://127.0.0.1:1', stateFolder: site.stateFolder }),
  );
  return configFile;
}

const withState = (report: DoctorReport, state: Finding['state']): readonly string[] =>
  report.findings.filter((finding) => finding.state === state).map(({ id }) => id);

const found = (report: DoctorReport, id: string): Finding => {
  const finding = report.findings.find((entry) => entry.id === id);
  assert.ok(finding, `${id} of ${report.findings.map((entry) => entry.id).join(' ')}`);
  return finding;
};

/** Everything on the disk, to show that nothing changed. */
async function filesBelow(folder: string): Promise<ReadonlyMap<string, string>> {
  const files = new Map<string, string>();
  for (const name of await readdir(folder, { recursive: true })) {
    const { size, mtimeMs, mode } = await stat(join(folder, name));
    files.set(name, `${size} ${mtimeMs} ${mode}`);
  }
  return files;
}

test('a host in good health has no problems, and nothing on it is changed', async (t) => {
  if (skipWithoutDotnet(t)) return;
  const site = await hyperVSite(t);
  const configFile = await agentBeside(site);
  const before = await filesBelow(site.directory);
  const report = await doctorOf(t, site, configFile);
  assert.deepEqual(withState(report, 'problem'), []);
  // Nothing listens at the agent's port.
  assert.deepEqual(withState(report, 'warning'), ['agent-port']);
  assert.deepEqual(report.vms, { total: 1, withProblems: 0, withWarnings: 0, fine: 1 });
  assert.equal(report.host?.build, 20_348);
  assert.match(found(report, 'agent-certificate').sentence, /does not end\. It is for /);
  assert.deepEqual(await filesBelow(site.directory), before);
  assert.deepEqual(site.vmms.history(), { made: [], destroyed: [] });
});

test('what is wrong with VMs is found, each with what to do', async (t) => {
  if (skipWithoutDotnet(t)) return;
  const site = await hyperVSite(t);
  const { vmms, vm, root } = site;
  const [foreign = '', blocked = '', locked = '', broken = '', critical = '', replica = '', old = ''] = await copyVm(
    root,
    'web',
    7,
  );
  await vmms.foreignSnapshot(foreign);
  await vmms.foreignReferencePoint(blocked);
  await vmms.describe(blocked, { extras: ['vhd-set'] });
  await vmms.describe(locked, { vssEnabledState: 3 });
  await rm(join(root, 'vms', 'web-3', 'os.vhdx'));
  await vmms.describe(critical, { healthState: 20, operationalStatus: [3, 32_774] });
  await vmms.describe(replica, { replicationMode: 2 });
  assert.ok(broken !== '' && old !== '');
  await checkpointOf(site.provider, vm);
  const tomorrow = (): number => Date.now() + 25 * 3_600_000;
  const report = await doctorOf(t, site, await agentBeside(site), tomorrow);
  const about = (id: string): readonly string[] =>
    report.findings
      .filter(({ vm: subject, state }) => subject?.id === id && (state === 'problem' || state === 'warning'))
      .map((finding) => `${finding.state} ${finding.id}`);
  assert.deepEqual(about(vm.id), ['problem vm-checkpoint-own']);
  assert.deepEqual(about(foreign), ['problem vm-checkpoint-foreign']);
  assert.deepEqual(about(blocked), ['warning vm-change-tracking', 'warning vm-reference-points-foreign']);
  assert.deepEqual(about(locked), ['warning vm-vss']);
  assert.deepEqual(about(broken), ['warning vm-change-tracking', 'problem vm-disk-chain']);
  assert.deepEqual(about(critical), ['problem vm-state']);
  assert.deepEqual(about(replica), []);
  assert.equal(report.vms.fine, 2);
  for (const { state, remedy, id } of report.findings) {
    assert.equal(remedy !== undefined, state === 'problem' || state === 'warning', id);
  }
});

test('a VM that writes to a differencing disk without a checkpoint, and one whose merging is locked', async (t) => {
  if (skipWithoutDotnet(t)) return;
  const site = await hyperVSite(t);
  const { vmms, provider, vm } = site;
  const checkpoint = await checkpointOf(provider, vm);
  const calls = createCalls(await shellOf(t, site), { log: silentLogger, lifetime: t.signal });
  const target = { CheckpointId: checkpoint.id, Directory: join(site.directory, 'exported'), CopyStorage: false };
  await mkdir(target.Directory);
  await calls.finish(await calls.invoke(startExport, target, t.signal), { signal: t.signal });
  assert.equal(found(await doctorOf(t, site), 'vm-merge-lock').state, 'warning');
  vmms.faults.set({ merge: 'waits' });
  await vmms.removeSnapshot(checkpoint.id);
  const report = await doctorOf(t, site);
  assert.equal(found(report, 'vm-unmerged-disk').state, 'problem');
  assert.match(found(report, 'vm-unmerged-disk').remedy ?? '', /TM2211/);
});

test('a host that does not show Hyper-V, refuses, or does not answer', async (t) => {
  if (skipWithoutDotnet(t)) return;
  const site = await hyperVSite(t);
  site.vmms.faults.set({ notElevated: true });
  const hidden = await doctorOf(t, site);
  assert.equal(found(hidden, 'hyperv-rights').state, 'problem');
  assert.equal(found(hidden, 'vms').state, 'skipped');
  site.vmms.faults.reset();
  site.vmms.faults.set({ accessDenied: ['Msvm_VirtualSystemReferencePoint'] });
  const denied = found(await doctorOf(t, site), 'hyperv');
  assert.equal(denied.state, 'problem');
  assert.match(denied.sentence, new RegExp(errorCodes.hypervAccessDenied));
  site.vmms.faults.reset();
  site.vmms.faults.set({ hang: ['Msvm_VirtualSystemSettingData'] });
  const hanging = found(await doctorOf(t, site), 'hyperv');
  assert.equal(hanging.state, 'problem');
  assert.match(hanging.sentence, new RegExp(errorCodes.hostNotAnswering));
});

test("what is wrong with the agent's own files", async (t) => {
  if (skipWithoutDotnet(t)) return;
  const site = await hyperVSite(t);
  const configFile = await agentBeside(site);
  const folder = dirname(configFile);
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  await writeFile(join(folder, 'key.pem'), privateKey.export({ type: 'pkcs8', format: 'pem' }));
  await chmod(join(folder, 'key.pem'), 0o644);
  await writeFile(join(folder, 'credential.json'), '{}');
  await writeFile(join(site.stateFolder, 'checkpoints', 'x.json.damaged'), 'x');
  const report = await doctorOf(t, site, configFile);
  assert.deepEqual(withState(report, 'problem').toSorted(), [
    'agent-certificate',
    'agent-credential',
    'agent-file-rights',
  ]);
  assert.ok(withState(report, 'warning').includes('agent-records-damaged'));
  await rename(site.stateFolder, `${site.stateFolder}-away`);
  assert.equal(found(await doctorOf(t, site, configFile), 'agent-state-folder').state, 'problem');
  await writeFile(configFile, '{}');
  assert.equal(found(await doctorOf(t, site, configFile), 'agent-config').state, 'problem');
});

test('a host with 1,000 VMs is looked at with few questions, and only those with something are named', async (t) => {
  if (skipWithoutDotnet(t)) return;
  const site = await hyperVSite(t, { disks: [{ name: 'os', sizeBytes: 8 * 1024 * 1024 }] });
  await copyVm(site.root, 'web', 999);
  await site.vmms.describe(site.vm.id, { healthState: 25 });
  site.vmms.counts.clear();
  const report = await doctorOf(t, site);
  assert.deepEqual(report.vms, { total: 1_000, withProblems: 1, withWarnings: 0, fine: 999 });
  const questions = [...site.vmms.counts.values()].reduce((sum, count) => sum + count, 0);
  assert.ok(questions < 60, `${questions} questions`);
  assert.ok(report.findings.length < 60, `${report.findings.length} findings`);
});

test('the command prints problems first and ends with 1', async (t) => {
  if (skipWithoutDotnet(t)) return;
  const site = await hyperVSite(t);
  const { executable, environment } = await testPowerShell();
  const env = { ...environment, NODE_POWERSHELL: executable, TIDEMARK_FAKE_HYPERV: site.vmms.address };
  await copyVm(site.root, 'web', 20);
  for (const { name } of await site.provider.listVms(t.signal)) {
    if (name !== 'web') await rm(join(site.root, 'vms', name, 'data.vhdx'));
  }
  const people = await runCliProcess(['agent', 'doctor'], { env });
  assert.equal(people.code, 1);
  assert.match(
    people.stdout,
    /^HV01: Microsoft Windows Server 2022[^]*^Problems\n[^]*^Warnings\n[^]*^Not looked at\n/m,
  );
  assert.match(people.stdout, /and the same for 10 more VMs/);
  assert.match(people.stdout, /20 problems, \d+ warnings\. 1 of 21 VMs have neither\./);
  const machine = await runCliProcess(['agent', 'doctor', '--json'], { env });
  assert.equal(machine.code, 1);
  const shape = object({ version: integer(0, 9), counts: object({ problems: integer(0, 99) }) });
  const report = json(machine.stdout, shape, 'report');
  assert.deepEqual([report.version, report.counts.problems], [1, 20]);
});
