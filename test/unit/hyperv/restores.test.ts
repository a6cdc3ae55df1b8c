import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { existsSync, readdirSync, renameSync, symlinkSync } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';

import type { AttachedDisk } from '../../../server/agent/hyperv/commands/index.ts';
import { openRestoreRecords } from '../../../server/agent/hyperv/restores/record.ts';
import { Restores } from '../../../server/agent/hyperv/restores/restores.ts';
import type { RestoresOptions } from '../../../server/agent/hyperv/restores/restores.ts';
import type { JobContext, RestoreDefinition } from '../../../server/agent/provider.ts';
import { silentLogger } from '../../../server/base/log.ts';
import { errorCodes, TidemarkError } from '../../../server/protocol/errors.ts';
import { diskId, vmId } from '../../../server/protocol/ids.ts';
import type { RestoreSessionId, VmId } from '../../../server/protocol/ids.ts';
import { code, KiB, MiB, missing, noise, scratch, tool } from '../vhdx/support.ts';
import { attachedDisk, contentAt } from './support/disks.ts';
import { done, refusal, ScriptedCalls } from './support/scripted-calls.ts';

const never = new AbortController().signal;
const osId = diskId('AAAAAAAA-0000-0000-0000-000000000000', 'diskId');
const dataId = diskId('BBBBBBBB-0000-0000-0000-000000000000', 'diskId');
const excludedId = diskId('CCCCCCCC-0000-0000-0000-000000000000', 'diskId');
const foreignPlanned = vmId('FFFFFFFF-0000-0000-0000-000000000000', 'vmId');

const disk = (id: typeof osId, name: string) => ({
  id,
  name,
  sizeBytes: 8 * MiB,
  logicalSectorBytes: 512,
  physicalSectorBytes: 4096,
});

/** A VM with three disks, of which one was not backed up. */
function definition(options: Partial<RestoreDefinition> = {}): RestoreDefinition {
  return {
    name: 'sql01 restored',
    connectNetwork: false,
    configuration: {
      name: 'sql01',
      generation: 2,
      configVersion: '9.0',
      processorCount: 2,
      memoryBytes: 1024 * MiB,
      networkAdapters: [
        { name: 'LAN', switchName: 'Outer' },
        { name: 'Backup', switchName: null },
      ],
      disks: [
        { id: osId, name: 'os', controller: 'SCSI 0:0' },
        { id: dataId, name: 'data', controller: 'SCSI 0:1' },
        { id: excludedId, name: 'scratch', controller: 'SCSI 0:2' },
      ],
      files: [
        { name: 'ABC.vmcx', base64: Buffer.from('the definition').toString('base64') },
        { name: 'ABC.vmrs', base64: Buffer.from('the state').toString('base64') },
        { name: '..\\..\\evil.vmcx', base64: 'AAAA' },
        { name: '../evil.vmcx', base64: 'AAAA' },
        { name: 'evil.exe', base64: 'AAAA' },
      ],
    },
    disks: [disk(osId, 'os'), disk(dataId, 'data')],
    ...options,
  };
}

interface Planned {
  readonly id: VmId;
  name: string;
  disks: AttachedDisk[];
  connected: Map<string, string>;
}

/** A small Hyper-V that imports, defines, realises and destroys, and keeps what came of it. */
class Host {
  readonly calls = new ScriptedCalls();
  readonly planned = new Map<VmId, Planned>();
  readonly vms = new Map<VmId, Planned>();
  readonly original: AttachedDisk[];

  constructor(original: readonly string[]) {
    this.original = original.map((path, at) => ({ ...attachedDisk(path, at), instanceId: `planned${at}` }));
    this.planned.set(foreignPlanned, { id: foreignPlanned, name: 'sql01', disks: [], connected: new Map() });
    this.calls
      .on('Get-TidemarkVm', ({ VmId }) => ({
        vms: [...this.vms.values()].filter(({ id }) => VmId === undefined || id === VmId).map(asVm),
      }))
      .on('Find-TidemarkPlannedVm', () => ({ vms: [...this.planned.values()].map(({ id, name }) => ({ id, name })) }))
      .on('Start-TidemarkImport', () => this.begin('sql01', this.original))
      .on('Start-TidemarkDefinition', ({ Name }) => this.begin(String(Name), []))
      .on('Resolve-TidemarkPlannedVm', ({ JobId }) => ({ vmId: this.made.get(String(JobId)) ?? null }))
      .on('Get-TidemarkPlannedVm', (args) => ({
        disks: this.of(args).disks,
        adapterIds: ['adapter0', 'adapter1'],
        fibreChannel: false,
      }))
      .on('Start-TidemarkDiskRemoval', (args) =>
        this.change(args, (vm) => {
          const gone = args['InstanceId'];
          vm.disks = vm.disks.filter(({ instanceId }) => !(Array.isArray(gone) && gone.includes(instanceId)));
        }),
      )
      .on('Start-TidemarkDiskChange', (args) =>
        this.change(args, (vm) => {
          const paths = new Map(entries(args['Disk']).map((entry) => [entry['instanceId'], String(entry['path'])]));
          vm.disks = vm.disks.map((attached) => ({
            ...attached,
            path: paths.get(attached.instanceId) ?? attached.path,
          }));
        }),
      )
      .on('Start-TidemarkDiskAddition', (args) =>
        this.change(args, (vm) => {
          const paths = args['Path'];
          if (Array.isArray(paths)) vm.disks = paths.map((path, at) => attachedDisk(String(path), at));
        }),
      )
      .on('Start-TidemarkAdapterAddition', (args) =>
        this.change(args, (vm) => {
          vm.connected = new Map(
            entries(args['Adapter']).map((entry) => [String(entry['name']), String(entry['switchName'])]),
          );
        }),
      )
      .on('Start-TidemarkDisconnection', (args) => this.change(args, (vm) => vm.connected.clear()))
      .on('Start-TidemarkConnection', (args) =>
        this.change(args, (vm) => {
          for (const entry of entries(args['Adapter']))
            vm.connected.set(String(entry['instanceId']), String(entry['switchName']));
        }),
      )
      .on('Rename-TidemarkPlannedVm', (args) =>
        this.change(args, (vm) => {
          vm.name = String(args['Name']);
        }),
      )
      .on('Start-TidemarkValidation', (args) => this.change(args, () => undefined))
      .on('Start-TidemarkRealization', (args) =>
        this.change(args, (vm) => {
          this.planned.delete(vm.id);
          this.vms.set(vm.id, vm);
        }),
      )
      .on('Start-TidemarkPlannedRemoval', (args) => {
        const { id } = this.of(args);
        assert.notEqual(id, foreignPlanned, 'the planned VM of somebody else is left alone');
        this.planned.delete(id);
        return done;
      });
  }

  readonly made = new Map<string, VmId>();

  begin(name: string, disks: readonly AttachedDisk[]): unknown {
    const id = vmId(randomUUID().toUpperCase(), 'vmId');
    const before = [...this.planned.keys()];
    this.made.set(id, id);
    const outcome = this.calls.job(id, async () => {
      const connected = new Map([['adapter0', 'Outer']]);
      if (!this.vms.has(id)) this.planned.set(id, { id, name, disks: [...disks], connected });
    });
    return { before, outcome, created: null };
  }

  of(args: Readonly<Record<string, unknown>>): Planned {
    const vm = this.planned.get(vmId(String(args['VmId']), 'vmId'));
    if (vm === undefined) throw refusal('it is not planned');
    return vm;
  }

  /** Changes a planned VM by a job. */
  change(args: Readonly<Record<string, unknown>>, work: (vm: Planned) => void): unknown {
    const vm = this.of(args);
    return this.calls.job(randomUUID(), async (_, progress) => {
      progress(50);
      work(vm);
    });
  }

  /** What is there besides what was there before. */
  get strays(): readonly VmId[] {
    return [...this.planned.keys()].filter((id) => id !== foreignPlanned);
  }
}

const entries = (value: unknown): readonly Readonly<Record<string, unknown>>[] =>
  Array.isArray(value) ? value.map((entry: object) => ({ ...entry })) : [];

const asVm = ({ id, name, disks }: Planned): unknown => ({
  id,
  name,
  enabledState: 3,
  healthState: 5,
  operationalStatus: [2],
  replicationMode: 0,
  subType: 'Microsoft:Hyper-V:SubType:2',
  version: '9.0',
  disks,
  snapshotTypes: [],
  fibreChannel: false,
});

interface Site {
  readonly root: string;
  readonly state: string;
  readonly host: Host;
  readonly restores: (options?: Partial<RestoresOptions>) => Promise<Restores>;
}

async function site(t: TestContext): Promise<Site> {
  const folder = await scratch(t);
  const root = join(folder, 'restored');
  const state = join(folder, 'state');
  await mkdir(root);
  const host = new Host(['/vms/sql01/os.vhdx', '/vms/sql01/data.vhdx', '/vms/sql01/scratch.vhdx']);
  const restores = async (options: Partial<RestoresOptions> = {}): Promise<Restores> =>
    new Restores({
      calls: host.calls,
      log: silentLogger,
      records: await openRestoreRecords(state, silentLogger),
      step: () => undefined,
      restoreDirectory: root,
      ...options,
    });
  return { root, state, host, restores };
}

const job = (signal = never): JobContext & { readonly percents: number[] } => {
  const percents: number[] = [];
  return { signal, percents, progress: (_, percent) => percents.push(percent) };
};

const is =
  (name: keyof typeof errorCodes) =>
  (error: unknown): boolean =>
    TidemarkError.is(error, errorCodes[name]);

const osContent = noise(MiB, 1);

async function writeDisks(restores: Restores, id: RestoreSessionId): Promise<void> {
  // Several writers of one disk, as several connections have them.
  const writers = [restores.openDisk(id, osId), restores.openDisk(id, osId)];
  await Promise.all(
    writers.map((writer, at) =>
      writer.write(osContent.subarray((at * MiB) / 2, ((at + 1) * MiB) / 2), 2 * MiB + (at * MiB) / 2),
    ),
  );
  for (const writer of writers) await writer.close();
  await using data = restores.openDisk(id, dataId);
  await data.write(noise(64 * KiB, 2), 8 * MiB - 64 * KiB);
  await data.flush();
}

/** What the root holds: the folder of the restore. */
async function folderIn(root: string): Promise<string> {
  const names = await readdir(root);
  assert.equal(names.length, 1);
  return join(root, names[0] ?? '');
}

async function checkNothingLeft({ root, state, host }: Site): Promise<void> {
  assert.deepEqual(await readdir(root), []);
  assert.deepEqual(await readdir(state), []);
  assert.deepEqual(host.strays, []);
  assert.ok(host.planned.has(foreignPlanned));
}

test('a VM is restored as a copy from its configuration file, with new disks, without the network', async (t) => {
  const { root, state, host, restores: make } = await site(t);
  const restores = await make();
  const id = await restores.begin(definition(), never);
  await writeDisks(restores, id);
  const context = job();
  const vm = (await restores.commit(id, context)).vmId;
  const restored = host.vms.get(vm);
  assert.ok(restored !== undefined);
  assert.equal(restored.name, 'sql01 restored');
  assert.deepEqual([...restored.connected], []);
  const folder = await folderIn(root);
  // The disk that was not backed up is the original VM's: it is detached before anything else.
  assert.deepEqual(
    restored.disks.map(({ path }) => path),
    ['os', 'data'].map((name) => join(folder, 'Virtual Hard Disks', `${name}.vhdx`)),
  );
  assert.deepEqual(host.calls.argumentsOf('Start-TidemarkDiskRemoval')['InstanceId'], ['planned2']);
  const { names } = host.calls;
  assert.ok(names.indexOf('Start-TidemarkDiskRemoval') < names.indexOf('Start-TidemarkDiskChange'));
  assert.deepEqual(host.calls.argumentsOf('Start-TidemarkImport'), {
    DefinitionFile: join(folder, 'Virtual Machines', 'ABC.vmcx'),
    SnapshotFolder: join(folder, 'Snapshots'),
    NewId: true,
  });
  assert.equal(host.calls.argumentsOf('Rename-TidemarkPlannedVm')['Folder'], folder);
  assert.deepEqual(await readdir(join(folder, 'Virtual Machines')), ['ABC.vmcx', 'ABC.vmrs']);
  assert.equal(await readFile(join(folder, 'Virtual Machines', 'ABC.vmcx'), 'utf8'), 'the definition');
  const image = await contentAt(join(folder, 'Virtual Hard Disks', 'os.vhdx'));
  assert.ok(image.subarray(2 * MiB, 3 * MiB).equals(osContent));
  assert.equal(context.percents.at(-1), 100);
  assert.deepEqual(
    context.percents,
    context.percents.toSorted((a, b) => a - b),
  );
  assert.deepEqual(await readdir(state), []);
  await assert.rejects(restores.abort(id), is('restoreSessionNotFound'));
  await restores.abortAll();
  assert.ok(existsSync(folder));
});

test('restored disks are what was written, as qemu reads them', { skip: missing('qemu-img') }, async (t) => {
  const { root, restores: make } = await site(t);
  const restores = await make();
  const id = await restores.begin(definition(), never);
  await writeDisks(restores, id);
  await restores.commit(id, job());
  const disks = join(await folderIn(root), 'Virtual Hard Disks');
  const expected = join(root, 'os.raw');
  await writeFile(expected, Buffer.concat([Buffer.alloc(2 * MiB), osContent, Buffer.alloc(5 * MiB)]));
  await tool('qemu-img', 'check', join(disks, 'os.vhdx'));
  await tool('qemu-img', 'compare', '-f', 'vhdx', '-F', 'raw', join(disks, 'os.vhdx'), expected);
});

test('the network is connected when that is asked for, by the names of the switches', async (t) => {
  const { host, restores: make } = await site(t);
  const restores = await make();
  const id = await restores.begin(definition({ connectNetwork: true }), never);
  const vm = (await restores.commit(id, job())).vmId;
  assert.deepEqual([...(host.vms.get(vm)?.connected ?? [])], [['adapter0', 'Outer']]);
  const { names } = host.calls;
  assert.ok(names.indexOf('Start-TidemarkDisconnection') < names.indexOf('Start-TidemarkConnection'));
});

test('without a configuration file that this host takes, the VM is defined anew from its summary', async (t) => {
  const cases: readonly (readonly [string, (host: Host) => void, Partial<RestoreDefinition>])[] = [
    ['none', () => undefined, { configuration: { ...definition().configuration, files: [] } }],
    [
      'refused at once',
      (host) =>
        host.calls.on('Start-TidemarkImport', () => {
          throw refusal();
        }),
      {},
    ],
    [
      'refused by the job',
      (host) =>
        host.calls.on('Start-TidemarkImport', () => ({
          before: [],
          outcome: host.calls.job('import', async () => {
            throw refusal();
          }),
          created: null,
        })),
      {},
    ],
    ['of another VM', (host) => host.original.pop() && host.original.splice(0, 1), {}],
    [
      'with the disks in other places',
      (host) =>
        host.original.splice(
          0,
          3,
          { ...attachedDisk('/x/data.vhdx', 0), instanceId: 'a' },
          { ...attachedDisk('/x/os.vhdx', 1), instanceId: 'b' },
        ),
      {},
    ],
  ];
  for (const [what, prepare, options] of cases) {
    const current = await site(t);
    const { host, restores: make } = current;
    prepare(host);
    const lines: string[] = [];
    const restores = await make({ log: { log: (level, message) => void lines.push(`${level} ${message}`) } });
    const id = await restores.begin(definition({ connectNetwork: true, ...options }), never);
    const vm = (await restores.commit(id, job())).vmId;
    assert.deepEqual(
      host.vms.get(vm)?.disks.map(({ path }) => path.replace(/^.*\//, '')),
      ['os.vhdx', 'data.vhdx'],
      what,
    );
    assert.deepEqual(
      [...(host.vms.get(vm)?.connected ?? [])],
      [
        ['LAN', 'Outer'],
        ['Backup', ''],
      ],
      what,
    );
    assert.ok(
      lines.some((line) => line.includes('sql01 restored is defined anew from the summary')),
      what,
    );
    assert.deepEqual(host.strays, [], what);
    const { Version, Generation, ProcessorCount } = host.calls.argumentsOf('Start-TidemarkDefinition');
    assert.deepEqual([Version, Generation, ProcessorCount], ['9.0', 2, 2], what);
  }
});

test('a host that does not know the configuration version takes its own', async (t) => {
  const { host, restores: make } = await site(t);
  host.calls.on('Start-TidemarkDefinition', ({ Version, Name }) => {
    if (Version !== '') throw refusal();
    return host.begin(String(Name), []);
  });
  const restores = await make();
  const configuration = { ...definition().configuration, files: [] };
  const vm = (await restores.commit(await restores.begin(definition({ configuration }), never), job())).vmId;
  assert.ok(host.vms.has(vm));
});

test('a failure at any call leaves no planned VM, and aborting leaves no file', async (t) => {
  const failing = [
    'Find-TidemarkPlannedVm',
    'Get-TidemarkPlannedVm',
    'Start-TidemarkDiskChange',
    'Start-TidemarkDiskRemoval',
    'Start-TidemarkDisconnection',
    'Rename-TidemarkPlannedVm',
    'Start-TidemarkValidation',
    'Start-TidemarkRealization',
  ];
  for (const name of failing) {
    const current = await site(t);
    const { host, restores: make } = current;
    // The other way must not help.
    host.calls.on('Start-TidemarkDefinition', () => {
      throw refusal();
    });
    const restores = await make();
    const id = await restores.begin(definition(), never);
    await writeDisks(restores, id);
    const { calls } = host;
    let fails = true;
    const original = calls.invoke.bind(calls);
    calls.invoke = async (command, args, signal) => {
      if (command.name === name && fails) {
        if (name === 'Find-TidemarkPlannedVm') fails = false;
        throw refusal();
      }
      return original(command, args, signal);
    };
    await assert.rejects(restores.commit(id, job()), code('hypervOperationFailed'), name);
    assert.deepEqual(host.strays, [], name);
    assert.deepEqual([...host.vms], [], name);
    assert.equal((await readdir(current.root)).length, 1, 'the files stay until the restore is aborted');
    assert.throws(() => restores.openDisk(id, osId), is('restoreSessionNotFound'));
    await restores.abort(id);
    await checkNothingLeft(current);
  }
});

test('a restore that failed can be completed once the reason is gone', async (t) => {
  const current = await site(t);
  const { host, restores: make } = current;
  const restores = await make();
  const id = await restores.begin(definition(), never);
  await writeDisks(restores, id);
  host.calls.on('Start-TidemarkValidation', () => {
    throw refusal();
  });
  await assert.rejects(restores.commit(id, job()));
  host.calls.on('Start-TidemarkValidation', () => done);
  const vm = (await restores.commit(id, job())).vmId;
  assert.ok(host.vms.has(vm));
  assert.deepEqual(host.strays, []);
});

test('a VM that is there was restored, whatever Hyper-V said', async (t) => {
  const { host, state, restores: make } = await site(t);
  host.calls.on('Start-TidemarkRealization', (args) => {
    const vm = host.of(args);
    return host.calls.job('realize', async () => {
      host.planned.delete(vm.id);
      host.vms.set(vm.id, vm);
      throw new TidemarkError(errorCodes.outcomeUnknown, 'the job is gone');
    });
  });
  const restores = await make();
  const vm = (await restores.commit(await restores.begin(definition(), never), job())).vmId;
  assert.ok(host.vms.has(vm));
  assert.deepEqual(await readdir(state), []);
});

test('a VM that becomes real although it was cancelled is told as what it is', async (t) => {
  const { host, state, restores: make } = await site(t);
  const cancel = new AbortController();
  host.calls.on('Start-TidemarkRealization', (args) => {
    const vm = host.of(args);
    return host.calls.job('realize', async (signal) => {
      cancel.abort();
      // Who waits for it is told at once that it was cancelled; the job goes on.
      if (signal.aborted) return;
      host.planned.delete(vm.id);
      host.vms.set(vm.id, vm);
    });
  });
  const restores = await make();
  const id = await restores.begin(definition(), never);
  const vm = (await restores.commit(id, job(cancel.signal))).vmId;
  assert.ok(host.vms.has(vm));
  assert.deepEqual(await readdir(state), []);
});

test('as long as what failed cannot be removed, nothing else is tried', async (t) => {
  const current = await site(t);
  const { host, restores: make } = current;
  const removal = (answer: () => unknown): unknown => host.calls.on('Start-TidemarkPlannedRemoval', answer);
  host.calls.on('Start-TidemarkValidation', () => {
    throw refusal('not valid');
  });
  removal(() => {
    throw refusal('not removable');
  });
  const restores = await make();
  const id = await restores.begin(definition(), never);
  await assert.rejects(restores.commit(id, job()), /not valid/);
  assert.ok(!host.calls.names.includes('Start-TidemarkDefinition'));
  assert.equal(host.strays.length, 1);
  removal(() => {
    for (const stray of host.strays) host.planned.delete(stray);
    return done;
  });
  await restores.abort(id);
  await checkNothingLeft(current);
});

test('a restore that is cancelled while Hyper-V works leaves nothing when it is aborted', async (t) => {
  for (const name of ['Start-TidemarkImport', 'Start-TidemarkDiskChange', 'Start-TidemarkValidation']) {
    const current = await site(t);
    const { host, restores: make } = current;
    const cancel = new AbortController();
    const { calls } = host;
    const original = calls.invoke.bind(calls);
    calls.invoke = async (command, args, signal) => {
      const answer = await original(command, args, signal);
      if (command.name === name) cancel.abort();
      return answer;
    };
    const restores = await make();
    const id = await restores.begin(definition(), never);
    await assert.rejects(restores.commit(id, job(cancel.signal)), is('cancelled'), name);
    assert.deepEqual(host.strays, [], name);
    await restores.abort(id);
    await checkNothingLeft(current);
  }
});

test('names are made safe, and never meet each other or what is there', async (t) => {
  const { root, host, restores: make } = await site(t);
  const restores = await make();
  const hostile = "'; Remove-Item C:\\ -Recurse # 🙂\n..";
  const disks = [disk(osId, 'CON'), disk(dataId, 'con'), disk(excludedId, '..\\..\\evil:stream')];
  const configuration = { ...definition().configuration, files: [] };
  const id = await restores.begin(definition({ name: hostile, disks, configuration }), never);
  const folder = await folderIn(root);
  assert.match(folder, /'; Remove-Item C__ -Recurse # 🙂_ [0-9a-f]{12}$/);
  assert.deepEqual((await readdir(join(folder, 'Virtual Hard Disks'))).toSorted(), [
    '.._.._evil_stream.vhdx',
    '_CON.vhdx',
    '_con (2).vhdx',
  ]);
  const vm = (await restores.commit(id, job())).vmId;
  assert.equal(host.vms.get(vm)?.name, hostile);
  // The same again goes into another folder.
  const again = await restores.begin(definition({ name: `${hostile}2`, disks, configuration }), never);
  assert.equal((await readdir(root)).length, 2);
  await restores.abort(again);
  assert.deepEqual(await readdir(root), [folder.slice(root.length + 1)]);
});

test('a restore needs a free name, disks with ids of their own, and a plain folder', async (t) => {
  const { host, root, state, restores: make } = await site(t);
  const restores = await make();
  const taken = vmId('12345678-0000-0000-0000-000000000000', 'vmId');
  host.vms.set(taken, { id: taken, name: 'SQL01 Restored', disks: [], connected: new Map() });
  await assert.rejects(restores.begin(definition(), never), code('vmExists'));
  host.vms.clear();
  await assert.rejects(restores.begin(definition({ name: ' ' }), never), is('invalidInput'));
  await assert.rejects(restores.begin(definition({ name: 'x'.repeat(101) }), never), is('invalidInput'));
  await assert.rejects(restores.begin(definition({ disks: [] }), never), is('invalidInput'));
  await assert.rejects(
    restores.begin(definition({ disks: [disk(osId, 'a'), disk(osId, 'b')] }), never),
    is('invalidInput'),
  );
  const elsewhere = await make({ restoreDirectory: 'relative\\folder' });
  await assert.rejects(elsewhere.begin(definition(), never), code('hostStateInvalid'));
  const odd = { ...disk(osId, 'os'), sizeBytes: 1000 };
  await assert.rejects(restores.begin(definition({ disks: [odd] }), never), code('invalidInput'));
  assert.deepEqual(await readdir(root), []);
  assert.deepEqual(await readdir(state), []);
  const id = await restores.begin(definition(), never);
  assert.throws(() => restores.openDisk(id, excludedId), is('diskNotFound'));
  host.vms.set(taken, { id: taken, name: 'sql01 restored', disks: [], connected: new Map() });
  await assert.rejects(restores.commit(id, job()), code('vmExists'));
  await restores.abortAll();
  assert.deepEqual(await readdir(root), []);
});

test('a folder that somebody swaps for a link stops the restore, and nothing gets to where the link leads', async (t) => {
  for (const at of ['restore:created', 'restore:closed']) {
    const { root, host, restores: make } = await site(t);
    const elsewhere = join(root, '..', 'elsewhere');
    await mkdir(elsewhere);
    const swapped: string[] = [];
    const step = (name: string): void => {
      if (name !== at) return;
      swapped.push(...readdirSync(root));
      const disks = join(root, swapped[0] ?? '', 'Virtual Hard Disks');
      renameSync(disks, join(elsewhere, 'taken'));
      symlinkSync(join(elsewhere, 'taken'), disks, 'junction');
    };
    const restores = await make({ step });
    const restoring = async (): Promise<void> => {
      const id = await restores.begin(definition(), never);
      await restores.commit(id, job());
    };
    await assert.rejects(restoring(), code('hostStateInvalid'), at);
    assert.equal(swapped.length, 1);
    assert.ok(!host.calls.names.includes('Start-TidemarkImport'));
    await restores.abortAll();
    assert.deepEqual(await readdir(root), []);
    assert.deepEqual((await readdir(join(elsewhere, 'taken'))).toSorted(), ['data.vhdx', 'os.vhdx']);
  }
});

test('without a restore folder the VM goes where the host keeps its virtual disks', async (t) => {
  const { host, root, restores: make } = await site(t);
  const facts = {
    name: 'HV01',
    build: 20_348,
    osName: 'Windows Server 2022',
    powershellVersion: '5.1',
    hypervAvailable: true,
    defaultVmFolder: root,
    defaultDiskFolder: join(root, 'disks'),
    hasGuestBackupType: true,
    hasExcludedVirtualHardDisks: true,
  };
  host.calls.on('Get-TidemarkHost', () => facts);
  const restores = await make({ restoreDirectory: undefined });
  const id = await restores.begin(definition(), never);
  assert.equal((await readdir(join(root, 'disks'))).length, 1);
  await restores.abort(id);
  host.calls.on('Get-TidemarkHost', () => ({ ...facts, defaultDiskFolder: null }));
  await assert.rejects(restores.begin(definition(), never), code('hypervUnavailable'));
});

const steps = [
  'restore:recorded',
  'restore:created',
  'restore:closed',
  'restore:planning',
  'restore:job',
  'restore:planned',
  'restore:realizing',
  'restore:realized',
];

test('an agent that dies at any step leaves a VM that is whole, or nothing', async (t) => {
  for (const dying of steps) {
    const current = await site(t);
    const { host, root, state, restores: make } = current;
    // What follows the death of a process does not happen: no call, no file is removed.
    let dead = false;
    const { calls } = host;
    const original = calls.invoke.bind(calls);
    calls.invoke = async (command, args, signal) => {
      if (dead) throw new Error('died');
      return original(command, args, signal);
    };
    const records = await openRestoreRecords(state, silentLogger);
    const kept = records.delete.bind(records);
    records.delete = async (key) => (dead ? undefined : kept(key));
    const restores = await make({
      records,
      step: (step) => {
        if (step !== dying) return;
        dead = true;
        throw new Error('died');
      },
    });
    await assert.rejects(
      (async () => {
        const id = await restores.begin(definition(), never);
        await writeDisks(restores, id);
        await restores.commit(id, job());
      })(),
      /died/,
      dying,
    );
    dead = false;
    assert.equal((await readdir(state)).length, 1, `${dying}: it was written down`);
    const next = await make();
    const lines = await next.recover(never);
    assert.equal(lines.length, 1, dying);
    assert.deepEqual(await readdir(state), [], dying);
    assert.deepEqual(host.strays, [], dying);
    if (dying === 'restore:realized') {
      assert.match(lines[0] ?? '', /completed/);
      const [restored] = host.vms.values();
      for (const { path } of restored?.disks ?? []) assert.ok(existsSync(path));
      assert.equal(restored?.disks.length, 2);
    } else {
      assert.deepEqual([...host.vms], [], dying);
      assert.deepEqual(await readdir(root), [], dying);
    }
  }
});

test('a planned VM whose id the agent did not live to see is told by its name, and that of somebody else is not', async (t) => {
  const current = await site(t);
  const { host, restores: make } = current;
  let dead = false;
  const { calls } = host;
  const original = calls.invoke.bind(calls);
  calls.invoke = async (command, args, signal) => {
    if (dead) throw new Error('died');
    const answer = await original(command, args, signal);
    if (command.name !== 'Start-TidemarkImport') return answer;
    const [id] = host.made.values();
    assert.ok(id !== undefined);
    host.planned.set(id, { id, name: 'sql01', disks: [], connected: new Map() });
    dead = true;
    throw new Error('died');
  };
  const dying = await make();
  await assert.rejects(dying.commit(await dying.begin(definition(), never), job()), /died/);
  dead = false;
  assert.equal(host.strays.length, 1);
  await (await make()).recover(never);
  await checkNothingLeft(current);
});

test('what cannot be taken back now is taken back later', async (t) => {
  const current = await site(t);
  const { host, state, restores: make } = current;
  const dying = await make({
    step: (step) => {
      if (step === 'restore:realizing') throw new Error('died');
    },
  });
  const removal = (fails: boolean): void => {
    host.calls.on('Start-TidemarkPlannedRemoval', (args) => {
      if (fails) throw refusal();
      host.planned.delete(host.of(args).id);
      return done;
    });
  };
  removal(true);
  const id = await dying.begin(definition(), never);
  await assert.rejects(dying.commit(id, job()));
  const next = await make();
  assert.match((await next.recover(never))[0] ?? '', /could not be removed yet/);
  assert.equal((await readdir(state)).length, 1);
  assert.equal((await readdir(current.root)).length, 1);
  removal(false);
  assert.match((await next.recover(never))[0] ?? '', /Removed/);
  await checkNothingLeft(current);
});

test('files that a VM of the host uses are never removed', async (t) => {
  const current = await site(t);
  const { host, root, state, restores: make } = current;
  const restores = await make();
  const id = await restores.begin(definition(), never);
  const folder = await folderIn(root);
  const byHand = vmId('12345678-0000-0000-0000-000000000000', 'vmId');
  const disks = [attachedDisk(join(folder, 'Virtual Hard Disks', 'os.vhdx'))];
  host.vms.set(byHand, { id: byHand, name: 'by hand', disks, connected: new Map() });
  await restores.abort(id);
  assert.ok(existsSync(join(folder, 'Virtual Hard Disks', 'os.vhdx')));
  assert.deepEqual(await readdir(state), []);
});
