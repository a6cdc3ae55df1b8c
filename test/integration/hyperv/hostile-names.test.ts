/** Names that are code, commands to a terminal, paths or lines of a log elsewhere are only names: from Hyper-V through PowerShell, agent and daemon to the command line, and back. */
import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';

import { createVm } from '../../../server/agent/simulated/index.ts';
import { vmState } from '../../../server/agent/simulated/state.ts';
import { listVms } from '../../../server/protocol/daemon.ts';
import type { VmEntry } from '../../../server/protocol/daemon.ts';
import { errorCodes } from '../../../server/protocol/errors.ts';
import type { VmInfo } from '../../../server/protocol/model.ts';
import { json, record } from '../../../server/protocol/parse.ts';
import { cjk, code, logLine, names, terminal } from '../../support/hyperv/hostile-names.ts';
import { skipWithoutDotnet, testPowerShell } from '../../support/hyperv/pwsh.ts';
import { startVmms } from '../../support/hyperv/vmms/index.ts';
import type { RunningVmms } from '../../support/hyperv/vmms/index.ts';
import { MiB } from '../../unit/simulated/support.ts';
import { ended, startTidemark, tidemark } from '../acceptance/support/command.ts';
import { sameBytes } from '../acceptance/support/files.ts';
import { end, firstMatch } from '../acceptance/support/processes.ts';
import { Site } from '../acceptance/support/site.ts';

/** These are backed up. */
const backedUp = new Set<string>([code, logLine, terminal, cjk, '', '--json']);
/** For commands that do much on a busy machine; milliseconds. */
const patienceMs = 300_000;

/** A name that is one of a file too. */
const diskName = "os'; $(throw 1) `x` “y” 会 #";
const adapterName = `net"'; $(throw 1)`;
const switchName = `switch“'; \`x\``;

interface World {
  readonly site: Site;
  readonly vmms: RunningVmms;
  readonly vms: readonly VmInfo[];
  readonly auditFile: string;
  readonly logFile: string;
}

async function world(t: TestContext): Promise<World> {
  const site = await Site.make(t);
  const root = site.root('hv01');
  await site.run(['sim', 'init', root, '--name', 'hv01']);
  const vms: VmInfo[] = [];
  for (const at of names.keys()) {
    vms.push(await createVm(root, { name: `vm${at}`, disks: [{ name: diskName, sizeBytes: 4 * MiB }] }));
  }
  await giveAdapters(join(root, 'vms', 'vm0', 'vm.json'));
  const vmms = await startVmms(root);
  site.beforeRemoval(() => vmms.close());
  for (const [at, name] of names.entries()) await vmms.describe(vms[at]?.id ?? '', { name });
  const auditFile = site.file('audit.log');
  const logFile = site.file('agent.log');
  const agent = await startAgent(site, vmms, ['--audit-file', auditFile, '--log-file', logFile]);
  site.beforeRemoval(() => end(agent.process, 'SIGKILL'));
  await site.run(['host', 'add', 'hv01', agent.url, '--password-file', site.passwordFile]);
  await site.initRepository();
  return { site, vmms, vms, auditFile, logFile };
}

async function giveAdapters(file: string): Promise<void> {
  const document = vmState(JSON.parse(await readFile(file, 'utf8')), file);
  await writeFile(file, JSON.stringify({ ...document, networkAdapters: [{ name: adapterName, switchName }] }));
}

async function startAgent(
  site: Site,
  vmms: RunningVmms,
  more: readonly string[],
): Promise<{ readonly process: ChildProcess; readonly url: string }> {
  const { executable, environment } = await testPowerShell();
  const stateFolder = site.file('agent');
  await mkdir(stateFolder);
  const args = ['agent', '--provider', 'hyperv', '--state-folder', stateFolder, '--listen', 'http://127.0.0.1:0'];
  const process = startTidemark([...args, '--password-file', site.passwordFile, ...more], {
    ...environment,
    NODE_POWERSHELL: executable,
    TIDEMARK_FAKE_HYPERV: vmms.address,
  });
  return { process, url: await firstMatch(process, /^listening on (\S+)$/m) };
}

/** What no terminal may get from a name: commands to it, and turns of direction. */
// oxlint-disable-next-line no-control-regex -- it is about those
const obeyed = /[\u0000-\u0009\u000B-\u001F\u007F-\u009F\u202A-\u202E\u2066-\u2069]/;

/** Runs a command as people do, and gives what they see. */
async function shown(site: Site, args: readonly string[]): Promise<string> {
  const { code: exitCode, stdout, stderr } = await tidemark([...args, '--data', site.data]);
  assert.equal(exitCode, 0, `${JSON.stringify(args)}: ${stderr}`);
  assert.doesNotMatch(stdout + stderr, obeyed, JSON.stringify(args));
  return stdout;
}

async function inventory(site: Site): Promise<readonly VmEntry[]> {
  return (await site.ask(['vm', 'list', 'hv01'], listVms.result)).vms;
}

async function checkLogs({ auditFile, logFile }: World): Promise<void> {
  const audit = (await readFile(auditFile, 'utf8')).trim().split('\n');
  const actions = audit.map((line) =>
    json(
      line,
      record((field) => field),
      'audit line',
    ),
  );
  assert.ok(actions.some(({ action }) => action === 'checkpoint-created'));
  assert.ok(actions.some(({ action }) => action === 'restore-committed'));
  assert.ok(actions.every(({ time }) => typeof time === 'string' && !time.startsWith('2030')));
  const log = await readFile(logFile, 'utf8');
  assert.ok(log.split('\n').every((line) => !line.startsWith('2030') && !line.startsWith('{')));
  // oxlint-disable-next-line no-control-regex -- it is about those
  assert.doesNotMatch(log + audit.join('\n'), /[\u0000-\u0008\u000B-\u001F\u007F-\u009F\u202A-\u202E\u2066-\u2069]/);
}

test('a name is a name everywhere: inventory, backup, reports, restore', { timeout: 2 * patienceMs }, async (t) => {
  if (skipWithoutDotnet(t)) return;
  const found = await world(t);
  const { site, vmms, vms } = found;
  const idOf = (name: string): string => vms[names.findIndex((candidate) => candidate === name)]?.id ?? '';
  const outside = (await readdir(site.directory)).toSorted();

  const listed = await inventory(site);
  assert.equal(listed.length, names.length);
  for (const [at, name] of names.entries()) {
    const entry = listed.find(({ vm }) => vm.id === vms[at]?.id);
    // A VM without a name is called by its id.
    assert.ok(entry !== undefined);
    assert.equal(entry.vm.name, name === '' ? vms[at]?.id : name);
    assert.equal(entry.vm.disks[0]?.name, diskName);
  }
  await shown(site, ['vm', 'list', 'hv01']);

  const policy = site.newFile('backup.yaml');
  const picked = names.flatMap((name, at) => (backedUp.has(name) ? [vms[at]?.id ?? ''] : []));
  await writeFile(
    policy,
    `name: all\nrepository: main\nselect:\n  - host: hv01\n    vms: ${JSON.stringify(picked)}\nconsistency: crash\n`,
  );
  await site.run(['policy', 'apply', policy, '--yes']);
  const run = await ended(startTidemark(['backup', 'run', 'all', '--wait', '--data', site.data]), patienceMs);
  assert.equal(run.code, 0, run.stderr);
  assert.doesNotMatch(run.stdout + run.stderr, obeyed);
  const points = await site.restorePoints();
  assert.deepEqual(
    points.map(({ vmName }) => vmName).toSorted(),
    listed.flatMap(({ vm }) => (picked.includes(vm.id) ? [vm.name] : [])).toSorted(),
  );

  for (const name of [code, logLine, terminal]) {
    const byName = await site.tryBackup([], `hv01/${name}`);
    assert.equal(byName.state, 'succeeded', JSON.stringify(byName.error));
    assert.ok(byName.outcome?.kind === 'backup');
    assert.deepEqual(
      [byName.outcome.restorePoint.vmId, byName.outcome.restorePoint.vmName, byName.outcome.restorePoint.type],
      [idOf(name), name, 'incremental'],
    );
    for (const args of [
      ['run', 'show', byName.id],
      ['run', 'log', byName.id],
    ]) {
      await shown(site, args);
    }
  }
  const ambiguous = await site.tryBackup([], 'hv01/twin');
  assert.equal(ambiguous.error?.code, errorCodes.vmBusy);
  assert.match(ambiguous.error.hint ?? '', /GUID/);
  const twin = vms[names.lastIndexOf('twin')]?.id ?? '';
  const byId = await site.tryBackup([], `hv01/${twin}`);
  assert.ok(byId.outcome?.kind === 'backup');
  assert.equal(byId.outcome.restorePoint.vmId, twin);
  await shown(site, ['restore-point', 'list']);
  await shown(site, ['restore-point', 'list', `--vm=${terminal}`]);
  await shown(site, ['run', 'list']);

  const point = points.find(({ vmId }) => vmId === idOf(code));
  assert.ok(point !== undefined);
  await shown(site, ['restore-point', 'show', point.id]);
  const strange = points.find(({ vmId }) => vmId === idOf(terminal));
  await shown(site, ['restore-point', 'pin', strange?.id ?? '']);
  const original = site.newFile('raw');
  await site.run(['sim', 'raw', site.root('hv01'), 'vm0', diskName, original]);
  const restored = await site.restore(point.id, 'raw', diskName);
  assert.ok(await sameBytes(original, restored));

  // Under its own name: the original is called otherwise by now.
  await vmms.describe(idOf(code), { name: 'moved' });
  await site.run(['restore', 'vm', point.id, '--host', 'hv01']);
  for (const name of ["„Ä“ `$(throw 1)`\t👩‍👩‍👧‍👦 \u202Ecba\n';", `../../../../tmp/${'会'.repeat(84)}`]) {
    await shown(site, ['restore', 'vm', point.id, '--host', 'hv01', `--name=${name}`]);
    assert.equal((await inventory(site)).filter(({ vm }) => vm.name === name).length, 1, JSON.stringify(name));
  }
  assert.equal((await inventory(site)).filter(({ vm }) => vm.name === code).length, 1);

  await checkLogs(found);
  const now = (await readdir(site.directory)).toSorted();
  assert.deepEqual(
    now.filter((file) => !outside.includes(file) && !/^(file-\d+|data$|repository$)/.test(file)),
    [],
  );
  assert.deepEqual(
    vmms.leftovers().filter(({ kind }) => kind === 'snapshot'),
    [],
  );
});
