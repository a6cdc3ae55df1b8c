import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';

import type { HostRegistry } from '../../../../server/daemon/hosts.ts';
import type { Inventory, VmListing, VmQuery } from '../../../../server/daemon/inventory.ts';
import { PolicyInventoryReader } from '../../../../server/daemon/policies/inventory.ts';
import type { RepositoryRegistry } from '../../../../server/daemon/repositories.ts';
import { vmEntry } from '../../../../server/protocol/daemon.ts';
import { throwIfAborted } from '../../../../server/protocol/errors.ts';
import { policyInventory } from '../../../../server/protocol/policy-inventory.ts';

const { signal } = new AbortController();
const vm = {
  id: '00000000-0000-4000-8000-000000000001',
  name: 'sql01',
  state: 'running',
  generation: 2,
  configVersion: '9.0',
  disks: [
    {
      id: '11111111-0000-4000-8000-000000000001',
      name: 'os',
      sizeBytes: 1024,
      fileBytes: 512,
      format: 'vhdx',
      logicalSectorBytes: 512,
      physicalSectorBytes: 4096,
      path: 'C:\\os.vhdx',
      trackable: true,
    },
  ],
  rctBlockers: [],
  checkpointCount: 0,
};

describe('the inventory that policies are checked against', () => {
  let listing: VmListing;
  let status: object;
  let queries: VmQuery[];
  let reader: PolicyInventoryReader;
  /** What a list that waits for hosts waits for. */
  let answers: Promise<unknown>;

  beforeEach(() => {
    listing = {
      vms: [vmEntry({ host: 'hv01', vm }, 'vm')],
      unreachable: [],
      hosts: [{ host: 'hv01', readAt: '2026-03-01T00:00:00Z' }, { host: 'hv02' }],
    };
    status = { state: 'reachable', info: { build: 20348 } };
    queries = [];
    answers = Promise.resolve();
    const hosts = {
      list: () =>
        ['hv01', 'hv02'].map((name) => ({
          name,
          entry: () => ({ status: name === 'hv01' ? status : { state: 'unknown' } }),
        })),
    };
    const inventory = {
      list: async (query: VmQuery, aborted: AbortSignal) => {
        queries.push(query);
        if (query.wait !== false) await answers;
        throwIfAborted(aborted);
        return listing;
      },
    };
    const repositories = { entries: () => [{ name: 'main', location: '/backup', id: 'x' }] };
    /* oxlint-disable typescript/no-unsafe-type-assertion -- stand-ins with what is used */
    reader = new PolicyInventoryReader(
      hosts as unknown as HostRegistry,
      inventory as unknown as Inventory,
      repositories as unknown as RepositoryRegistry,
    );
    /* oxlint-enable typescript/no-unsafe-type-assertion */
  });

  it('says what is known of hosts, VMs and repositories, without waiting for a host', async () => {
    const known = await reader.now(signal);
    assert.deepEqual(policyInventory(known, 'inventory'), known);
    assert.deepEqual(known.hosts, [
      { name: 'hv01', build: 20348, known: true },
      { name: 'hv02', known: false },
    ]);
    assert.deepEqual(
      known.vms.map(({ host, name, disks }) => [host, name, disks.map((disk) => disk.name)]),
      [['hv01', 'sql01', ['os']]],
    );
    assert.equal(queries[0]?.wait, false);
  });

  it('remembers the build of a host that does not answer any more, and since when', async () => {
    await reader.now(signal);
    status = { state: 'unreachable', since: '2026-03-02T00:00:00Z' };
    listing = {
      ...listing,
      hosts: [
        {
          host: 'hv01',
          readAt: '2026-03-01T00:00:00Z',
          build: 20348,
          unreachableSince: '2026-03-02T00:00:00Z',
        },
      ],
    };
    const [host] = (await reader.now(signal)).hosts;
    assert.deepEqual(host, { name: 'hv01', build: 20348, known: true, unreachableSince: '2026-03-02T00:00:00Z' });
  });

  it('is the same object until something changes', async () => {
    const first = await reader.now(signal);
    listing = { ...listing, vms: [...listing.vms] };
    assert.equal(await reader.now(signal), first);
    const [entry] = listing.vms;
    assert(entry);
    const backedUp = {
      ...vmEntry(
        {
          host: 'hv01',
          vm,
          lastRestorePoint: { id: '01ARZ3NDEKTSV4RRFFQ69G5FAV', createdAt: '2026-03-03T00:00:00Z', repository: 'main' },
        },
        'vm',
      ),
      vm: entry.vm,
    };
    listing = { ...listing, vms: [backedUp] };
    const second = await reader.now(signal);
    assert.notEqual(second, first);
    assert.equal(second.vms[0]?.lastBackupAt, '2026-03-03T00:00:00Z');
    status = { state: 'reachable', info: { build: 26100 } };
    assert.equal((await reader.now(signal)).hosts[0]?.build, 26100);
  });

  it('waits for hosts only as long as it is told to, and then goes by what is known', async () => {
    answers = new Promise(() => undefined);
    const known = await reader.afterAsking(1, signal);
    assert.equal(known.vms.length, 1);
    const gone = new AbortController();
    gone.abort();
    await assert.rejects(reader.afterAsking(1, gone.signal), { code: 'TM1999' });
  });
});
