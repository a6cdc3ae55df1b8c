/** What the doctor makes of what it sees, check by check. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { test } from 'node:test';

import { certificateFindings } from '../../../server/agent/hyperv/doctor/certificate-check.ts';
import { check, countVms } from '../../../server/agent/hyperv/doctor/finding.ts';
import { hostFindings } from '../../../server/agent/hyperv/doctor/host-checks.ts';
import type { HostPicture, VmPicture } from '../../../server/agent/hyperv/doctor/picture.ts';
import { recordFindings } from '../../../server/agent/hyperv/doctor/records-checks.ts';
import { commonAccounts, othersMay } from '../../../server/agent/hyperv/doctor/rights.ts';
import { ageText, vmFindings } from '../../../server/agent/hyperv/doctor/vm-checks.ts';
import { volumeFindings } from '../../../server/agent/hyperv/doctor/volumes.ts';
import type { HypervHost, HypervVm } from '../../../server/agent/hyperv/commands/index.ts';
import { selfSignedCertificate } from '../../../server/agent/tls/self-signed.ts';
import { checkpointId, diskId, referencePointId, vmId } from '../../../server/protocol/ids.ts';
import { styleFor } from '../../../server/cli/terminal.ts';
import { doctorText } from '../../../server/cli/doctor-text.ts';
import { FakeTerminal } from '../cli/fake-terminal.ts';

const GiB = 1024 ** 3;
const hour = 3_600_000;
const id = vmId('00000000-0000-4000-8000-000000000001', 'id');
const vmDisk = diskId('00000000-0000-4000-8000-000000000009', 'id');
const now = Date.parse('2026-05-01T12:00:00Z');

const host: HypervHost = {
  name: 'HV01',
  build: 20_348,
  osName: 'Microsoft Windows Server 2022 Datacenter',
  powershellVersion: '5.1.20348.2849',
  hypervAvailable: true,
  defaultVmFolder: null,
  defaultDiskFolder: null,
  hasGuestBackupType: true,
  hasExcludedVirtualHardDisks: true,
};

const vm: HypervVm = {
  id,
  name: 'web',
  enabledState: 3,
  healthState: 5,
  operationalStatus: [2],
  replicationMode: 0,
  subType: 'Microsoft:Hyper-V:SubType:2',
  version: '9.0',
  disks: [
    {
      instanceId: 'i',
      kind: 'virtual',
      path: '/vms/web/os.vhdx',
      controller: 'SCSI',
      controllerNumber: 0,
      location: 0,
      shared: false,
    },
  ],
  snapshotTypes: [],
  fibreChannel: false,
};

const picture: VmPicture = {
  list: [vm],
  unreadable: [],
  checkpoints: [],
  referencePoints: [],
  health: { vss: [], mergeLocked: [], updateRevision: null, logonRefusal: null, rights: [] },
  disks: new Map(),
  chains: new Map(),
};

const statesOf = (seen: Partial<HostPicture>): readonly string[] =>
  hostFindings({ host, startMs: 500, answerMs: 10, vms: picture, ...seen })
    .filter(({ state }) => state !== 'ok')
    .map((finding) => `${finding.state} ${finding.id}`);

const withHealth = (health: Partial<VmPicture['health']>): Partial<HostPicture> => ({
  vms: {
    ...picture,
    health: { ...picture.health, updateRevision: 5_000, logonRefusal: { count: 0, lastAt: null }, ...health },
  },
});

test('of the host', async (t) => {
  const table: readonly (readonly [what: string, seen: Partial<HostPicture>, expected: readonly string[]])[] = [
    ['in good health', withHealth({}), []],
    ['where nothing of Windows can be seen', {}, ['skipped slow-tracking-update', 'skipped logon-right']],
    ['older than Server 2016', { ...withHealth({}), host: { ...host, build: 9_600 } }, ['problem windows-build']],
    [
      'with PowerShell 5.0',
      { ...withHealth({}), host: { ...host, powershellVersion: '5.0.1' } },
      ['problem powershell-version'],
    ],
    ['with PowerShell 7', { ...withHealth({}), host: { ...host, powershellVersion: '7.4.0' } }, []],
    ['slow to start', { ...withHealth({}), startMs: 45_000 }, ['warning powershell-start']],
    ['slow to answer', { ...withHealth({}), answerMs: 9_000 }, ['warning hyperv-answers']],
    [
      'not shown',
      { host: { ...host, hypervAvailable: false }, vms: undefined },
      ['skipped windows-features', 'problem hyperv-rights'],
    ],
    ['before the update', withHealth({ updateRevision: 4_296 }), ['warning slow-tracking-update']],
    ['with the update', withHealth({ updateRevision: 4_297 }), []],
    [
      'Server 2019, where no update is confirmed',
      { ...withHealth({ updateRevision: 1 }), host: { ...host, build: 17_763 } },
      [],
    ],
    [
      'with refused log-ons',
      withHealth({ logonRefusal: { count: 3, lastAt: '2026-05-01T00:00:00Z' } }),
      ['problem logon-right'],
    ],
  ];
  for (const [what, seen, expected] of table) {
    await t.test(what, () => assert.deepEqual(statesOf(seen), expected));
  }
});

const checkpoint = (name: string, age: number): VmPicture['checkpoints'][number] => ({
  id: checkpointId('Microsoft:00000000-0000-4000-8000-00000000000a', 'id'),
  vmId: id,
  name,
  createdAt: new Date(now - age).toISOString(),
  disks: [],
});
const point = (n: number, type = 2): VmPicture['referencePoints'][number] => ({
  id: referencePointId(`Microsoft:00000000-0000-4000-8000-00000000010${n}`, 'id'),
  vmId: id,
  type,
  diskInstanceIds: [],
  trackingIds: ['x'],
});
const ownName = 'Tidemark 0123456789abcdef0123456789abcdef 01JD0000000000000000000000 crash';
const leaf = '/vms/web/os_00000000-0000-4000-8000-00000000000b.avhdx';
const onLeaf = vm.disks.map((disk) => ({ ...disk, path: leaf }));

test('of a VM', async (t) => {
  const readable = {
    disks: new Map([
      [
        id,
        vm.disks.map((attached) => ({
          attached,
          name: 'os',
          id: vmDisk,
          described: {
            facts: {
              format: 'vhdx',
              diskId: vmDisk,
              sizeBytes: GiB,
              logicalSectorBytes: 512,
              physicalSectorBytes: 4096,
            } as const,
            reason: '',
            fileBytes: GiB,
          },
        })),
      ],
    ]),
  };
  const one = (changes: Partial<HypervVm>): Partial<VmPicture> => ({ list: [{ ...vm, ...changes }] });
  const health = (changes: Partial<VmPicture['health']>): Partial<VmPicture> => ({
    health: { ...picture.health, ...changes },
  });
  const own = new Set([point(1).id, point(2).id]);
  const table: readonly (readonly [what: string, seen: Partial<VmPicture>, expected: readonly string[]])[] = [
    ['in good health', {}, []],
    ['critical', one({ healthState: 20 }), ['problem vm-state']],
    ['merging', one({ operationalStatus: [2, 32_772], disks: onLeaf }), []],
    ['version 5.0', one({ version: '5.0' }), ['warning vm-change-tracking']],
    ['version 7.1', one({ version: '7.1' }), ['warning vm-configuration-version']],
    ['a replica', one({ replicationMode: 2 }), ['skipped vm-change-tracking']],
    ['unmerged', one({ disks: onLeaf }), ['problem vm-unmerged-disk']],
    ['on a checkpoint of a user', one({ disks: onLeaf, snapshotTypes: ['Microsoft:Hyper-V:Snapshot:Realized'] }), []],
    ['our young checkpoint', { checkpoints: [checkpoint(ownName, hour)] }, []],
    ['our old checkpoint', { checkpoints: [checkpoint(ownName, 25 * hour)] }, ['problem vm-checkpoint-own']],
    ['a young one of others', { checkpoints: [checkpoint('x', hour)] }, ['warning vm-checkpoint-foreign']],
    [
      'an old one of others',
      { checkpoints: [checkpoint('x', 25 * hour), checkpoint('y', 1)] },
      ['problem vm-checkpoint-foreign'],
    ],
    ['one reference point', { referencePoints: [point(1)] }, []],
    ['two of ours', { referencePoints: [point(1), point(2)] }, ['warning vm-reference-points-own']],
    ['one of others', { referencePoints: [point(1), point(3)] }, ['warning vm-reference-points-foreign']],
    ['one of Replica', { referencePoints: [point(3, 1)] }, []],
    ['merging locked', health({ mergeLocked: [id] }), ['warning vm-merge-lock']],
    ['running without VSS', one({ enabledState: 2 }), ['warning vm-vss']],
    [
      'running with VSS',
      { ...one({ enabledState: 2 }), ...health({ vss: [{ vmId: id, enabledState: 2, operationalStatus: [2] }] }) },
      [],
    ],
    [
      'VSS without contact',
      { ...one({ enabledState: 2 }), ...health({ vss: [{ vmId: id, enabledState: 2, operationalStatus: [12] }] }) },
      ['warning vm-vss'],
    ],
    [
      'a broken chain',
      { chains: new Map([['/vms/web/os.vhdx', { state: 'broken', reason: 'It is gone.' }]]) },
      ['problem vm-disk-chain'],
    ],
    ['a file in use', { chains: new Map([['/vms/web/os.vhdx', { state: 'used' }]]) }, []],
    ['unreadable settings', { list: [], unreadable: [{ id, name: 'x', message: 'm' }] }, ['problem vm-settings']],
  ];
  for (const [what, seen, expected] of table) {
    await t.test(what, () => {
      const found = vmFindings(host, { ...picture, ...readable, ...seen }, own, now);
      const notable = found.filter(({ state }) => state !== 'ok');
      assert.deepEqual(
        notable.map((finding) => `${finding.state} ${finding.id}`),
        expected,
      );
      assert.ok(notable.every((finding) => finding.vm?.id === id));
    });
  }
});

test('without the state folder nobody says whose reference points are', () => {
  const found = vmFindings(host, { ...picture, referencePoints: [point(1)] }, undefined, now);
  const points = found.filter((finding) => finding.id.startsWith('vm-reference-points'));
  assert.deepEqual(
    points.map(({ state }) => state),
    ['skipped', 'skipped'],
  );
});

test('of volumes', () => {
  const limits = { warnBytes: 20 * GiB, warnPercent: 10, refuseBytes: 2 * GiB };
  const of = (freeBytes: number): readonly string[] =>
    volumeFindings({ volumes: [{ folder: 'D:\\', freeBytes, totalBytes: 100 * GiB }], unknown: [] }, limits).map(
      ({ state }) => state,
    );
  assert.deepEqual(of(21 * GiB), ['ok']);
  assert.deepEqual(of(20 * GiB - 1), ['warning']);
  assert.deepEqual(of(2 * GiB - 1), ['problem']);
  assert.deepEqual(
    volumeFindings({ volumes: [], unknown: ['x'] }, limits).map(({ state }) => state),
    ['skipped'],
  );
});

test('of a certificate', () => {
  const { cert, key } = selfSignedCertificate(['hv01']);
  const end = Date.parse(new X509Certificate(cert).validTo);
  const day = 24 * hour;
  const of = (at: number): string => certificateFindings(cert, key, at)[0]?.state ?? 'none';
  assert.equal(of(Date.now()), 'ok');
  assert.equal(of(end - 29 * day), 'warning');
  assert.equal(of(end + 2 * day), 'problem');
  assert.equal(of(0), 'problem');
  assert.equal(certificateFindings(cert, selfSignedCertificate(['hv01']).key, Date.now())[0]?.state, 'problem');
  assert.equal(certificateFindings('x', 'y', Date.now())[0]?.state, 'problem');
});

test('of rights: accounts of many are seen in SDDL and in modes', () => {
  assert.deepEqual(commonAccounts('O:BAG:SYD:PAI(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)'), []);
  assert.deepEqual(commonAccounts('O:BAG:SYD:AI(A;ID;FA;;;BA)(A;ID;0x1200a9;;;BU)(A;ID;FR;;;S-1-1-0)'), [
    'BU',
    'S-1-1-0',
  ]);
  assert.deepEqual(commonAccounts('O:BAG:SYD:(D;;FA;;;WD)(A;;FA;;;BA)'), []);
  assert.deepEqual(commonAccounts('O:BAG:SY'), ['WD']);
  assert.deepEqual(commonAccounts('D:NO_ACCESS_CONTROL'), ['WD']);
  assert.equal(commonAccounts(''), undefined);
  assert.deepEqual([0o600, 0o640, 0o604, 0o700].map(othersMay), [false, true, true, false]);
});

test('of records: what is damaged, left behind, or about nothing', () => {
  const nothing = { checkpoints: [], referencePoints: [], restores: [], exports: [], damaged: [] };
  const states = (folder: Parameters<typeof recordFindings>[0], running = false): readonly string[] =>
    recordFindings(folder, picture, running).map(({ state }) => state);
  assert.deepEqual(states(nothing), ['ok', 'ok', 'ok']);
  assert.deepEqual(states({ ...nothing, damaged: ['x'], exports: ['e'] }), ['warning', 'ok', 'warning']);
  assert.deepEqual(states({ ...nothing, exports: ['e'] }, true), ['ok', 'ok', 'ok']);
  assert.deepEqual(
    recordFindings(nothing, undefined, false).map(({ state }) => state),
    ['ok', 'skipped', 'ok'],
  );
});

test('VMs are counted once, by the worst that was found', () => {
  const other = { id: vmId('00000000-0000-4000-8000-000000000002', 'id'), name: 'b' };
  const subject = { id, name: 'a' };
  const findings = [
    check('vm', 'x', subject).warning('s', 'r'),
    check('vm', 'y', subject).problem('s', 'r'),
    check('vm', 'x', other).warning('s', 'r'),
  ];
  assert.deepEqual(countVms(5, findings), { total: 5, withProblems: 1, withWarnings: 1, fine: 3 });
  assert.deepEqual([ageText(60_000), ageText(3 * hour), ageText(72 * hour)], ['1 minute', '3 hours', '3 days']);
});

test('the text names problems first, groups VMs with the same, and only counts what is fine', () => {
  const subject = (n: number) => ({
    id: vmId(`00000000-0000-4000-8000-${String(n).padStart(12, '0')}`, 'id'),
    name: `vm\u001b[31m${n}`,
  });
  const findings = [
    check('host', 'a').ok('fine'),
    check('host', 'b').skipped('unseen'),
    check('host', 'c').warning('careful', 'look'),
    ...Array.from({ length: 12 }, (_, n) => check('vm', 'd', subject(n)).problem(`broken ${n}`, 'repair it')),
  ];
  const terminal = new FakeTerminal();
  const text = doctorText(
    { terminal, style: styleFor(terminal) },
    { host: null, vms: countVms(5_000, findings), counts: { problems: 12, warnings: 1, skipped: 1, ok: 1 }, findings },
  );
  const order = [
    'Problems',
    'broken 9',
    'and the same for 2 more VMs',
    'repair it',
    'Warnings',
    'look',
    'Not looked at',
    '4,988 of 5,000 VMs',
  ];
  const places = order.map((part) => text.indexOf(part));
  assert.deepEqual(
    places,
    places.toSorted((a, b) => a - b),
  );
  assert.ok(!places.includes(-1), text);
  assert.equal(text.split('repair it').length, 2);
  assert.ok(!text.includes('broken 10') && !text.includes('fine\n') && !text.includes('\u001b'));
});
