import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';

import { silentLogger } from '../../../server/base/log.ts';
import type { AgentConnection } from '../../../server/daemon/agent-client/connection.ts';
import { InventoryChanges } from '../../../server/daemon/changes.ts';
import { HostRegistry } from '../../../server/daemon/hosts.ts';
import { Inventory } from '../../../server/daemon/inventory.ts';
import type { AgentConnector } from '../../../server/daemon/managed-host.ts';
import type { RestorePoints } from '../../../server/daemon/restore-points.ts';
import { SecretStore } from '../../../server/daemon/secrets.ts';
import { openSqliteStore } from '../../../server/daemon/store/sqlite.ts';
import { errorCodes, TidemarkError } from '../../../server/protocol/errors.ts';
import { ownerId } from '../../../server/protocol/ids.ts';

const directory = mkdtempSync(join(tmpdir(), 'tidemark-inventory-'));
const { signal } = new AbortController();

/** How the agent of a host behaves now; `silent` accepts and never answers, `slow` works a while on each answer. */
type Behaviour = 'fine' | 'refuses' | 'silent' | 'slow';
const behaviours = new Map<string, Behaviour>();
let listings = 0;
const listingsOf = new Map<string, number>();
const slowMs = 100;

const agent: AgentConnector = async ({ url }, { signal: inTime }) => {
  const behaviour = (): Behaviour => behaviours.get(url) ?? 'fine';
  if (behaviour() === 'refuses') throw new TidemarkError(errorCodes.hostUnreachable, 'Connection refused.');
  if (behaviour() === 'silent') await new Promise((_, reject) => inTime.addEventListener('abort', reject));
  const closed = new AbortController();
  const vm = { id: '11111111-2222-3333-4444-555555555555', name: `vm of ${url}`, state: 'running', generation: 2 };
  const rest = { configVersion: '9.0', disks: [], rctBlockers: [], checkpointCount: 0 };
  const connection = {
    host: { name: 'FAKE', provider: 'simulated', build: 26_100, osName: 'Fake' },
    agentVersion: '0',
    warnings: [],
    closed: closed.signal,
    request: async () => {
      listings += 1;
      listingsOf.set(url, (listingsOf.get(url) ?? 0) + 1);
      if (behaviour() === 'slow') await new Promise((resolve) => setTimeout(resolve, slowMs));
      if (behaviour() === 'silent') await new Promise(() => undefined);
      if (behaviour() === 'refuses') throw new TidemarkError(errorCodes.agentConnectionLost, 'Lost.');
      return { vms: [{ ...vm, ...rest }] };
    },
    close: async () => closed.abort(),
  };
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a stand-in with what is used
  return connection as unknown as AgentConnection;
};

interface Stage extends Disposable {
  readonly inventory: Inventory;
  readonly hosts: HostRegistry;
  readonly changed: string[];
}

const store = openSqliteStore(join(directory, 'tidemark.db'), silentLogger);
after(() => {
  store[Symbol.dispose]();
  rmSync(directory, { recursive: true });
});

/** Three hosts, which answer as `behaviours` says. */
async function stage(given: Readonly<Record<string, Behaviour>>, options: object = {}): Promise<Stage> {
  const secrets = await SecretStore.open(directory);
  behaviours.clear();
  listingsOf.clear();
  for (const name of ['hv01', 'hv02', 'hv03']) {
    store.putHost({ name, url: `http://${name}:1`, threads: 2 });
    await secrets.set('hosts', name, 'agent-password');
    behaviours.set(`http://${name}:1`, given[name] ?? 'fine');
  }
  const changes = new InventoryChanges();
  const changed: string[] = [];
  changes.onChange((event) => changed.push('host' in event ? event.host : event.kind));
  const hosts = new HostRegistry({
    store,
    secrets,
    identity: { owner: ownerId('0'.repeat(32), ''), client: 'test', connect: agent, log: silentLogger },
    inUse: () => false,
    onChange: () => changes.emit({ kind: 'hosts' }),
    onReplaced: () => undefined,
  });
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a stand-in with what is used
  const restorePoints = {
    byVm: async () => new Map(),
    byVmNow: () => new Map(),
    refresh: () => undefined,
  } as unknown as RestorePoints;
  const inventory = new Inventory({ hosts, restorePoints, changes, ...options });
  return { inventory, hosts, changed, [Symbol.dispose]: () => inventory.close() };
}

const namesIn = (listing: { readonly vms: readonly { readonly host: string }[] }): string[] =>
  listing.vms.map(({ host }) => host);

/** Asks until `holds`; the test's own time limit ends what never comes. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 5));
}

describe('the inventory', { timeout: 20_000 }, () => {
  it('answers for one host while others refuse, or accept and never answer', async () => {
    using site = await stage({ hv02: 'refuses', hv03: 'silent' }, { timeoutMs: 60_000 });
    const listing = await site.inventory.list({ host: 'hv01' }, signal);
    assert.deepEqual(namesIn(listing), ['hv01']);
    const away = await site.inventory.list({ host: 'hv02' }, signal);
    assert.deepEqual([away.vms, away.unreachable[0]?.error.code], [[], errorCodes.hostUnreachable]);
  });

  it('polls every host while somebody watches, each for itself, and stops with the last watcher', async () => {
    using site = await stage({ hv02: 'silent' }, { timeoutMs: 60_000, pollMs: 20 });
    const first = site.inventory.watch();
    const second = site.inventory.watch();
    await until(() => site.changed.includes('hv01') && site.changed.includes('hv03'));
    assert.ok(!site.changed.includes('hv02'), 'nothing is known of the silent one');
    first[Symbol.dispose]();
    first[Symbol.dispose]();
    let before = listings;
    await until(() => listings > before);
    second[Symbol.dispose]();
    await new Promise((resolve) => setTimeout(resolve, 50));
    before = listings;
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.equal(listings, before);
  });

  it('lets a host that takes long to list its VMs rest for longer than that', async () => {
    using site = await stage({ hv02: 'slow' }, { pollMs: 10 });
    const watching = site.inventory.watch();
    // Meanwhile the slow one could have answered six times, if it never rested.
    await until(() => (listingsOf.get('http://hv01:1') ?? 0) >= (6 * slowMs) / 10);
    assert.ok((listingsOf.get('http://hv02:1') ?? 0) <= 2, `asked ${listingsOf.get('http://hv02:1')} times`);
    watching[Symbol.dispose]();
  });

  it('keeps what it heard of a host that went away, says since when, and tells when it is back', async () => {
    using site = await stage({}, { pollMs: 10 });
    const watching = site.inventory.watch();
    await until(() => site.changed.includes('hv01'));
    const read = async (): ReturnType<Inventory['list']> =>
      site.inventory.list({ host: 'hv01', maxAgeMs: Number.MAX_SAFE_INTEGER }, signal);
    const fresh = await read();
    behaviours.set('http://hv01:1', 'refuses');
    site.changed.length = 0;
    await until(() => site.changed.includes('hv01'));
    const stale = await read();
    assert.deepEqual(stale.vms, fresh.vms);
    assert.deepEqual([fresh.hosts[0]?.build, stale.hosts[0]?.build], [26_100, 26_100]);
    assert.equal(stale.hosts[0]?.unreachableSince, (await read()).hosts[0]?.unreachableSince);
    assert.ok((stale.hosts[0]?.readAt ?? '9') <= (stale.hosts[0]?.unreachableSince ?? ''));
    assert.deepEqual(
      (await site.inventory.list({ host: 'hv01' }, signal)).vms,
      [],
      'without an age only the truth counts',
    );
    behaviours.set('http://hv01:1', 'fine');
    site.changed.length = 0;
    await until(() => site.changed.includes('hv01'));
    assert.equal((await read()).hosts[0]?.unreachableSince, undefined);
    watching[Symbol.dispose]();
  });

  it('answers from memory without asking again, also for a host that does not answer', async () => {
    using site = await stage({ hv02: 'refuses' });
    await site.inventory.list({}, signal);
    const before = listings;
    behaviours.set('http://hv02:1', 'silent');
    const listing = await site.inventory.list({ maxAgeMs: 60_000 }, signal);
    assert.equal(listings, before);
    assert.deepEqual(namesIn(listing), ['hv01', 'hv03']);
    assert.deepEqual(
      listing.unreachable.map(({ host }) => host),
      ['hv02'],
    );
  });

  it('answers at once when told not to wait, and asks meanwhile', async () => {
    using site = await stage({ hv02: 'silent' }, { timeoutMs: 60_000 });
    const nothing = await site.inventory.list({ wait: false }, signal);
    assert.deepEqual(namesIn(nothing), []);
    assert.deepEqual(nothing.hosts, [{ host: 'hv01' }, { host: 'hv02' }, { host: 'hv03' }]);
    await until(() => site.changed.includes('hv01') && site.changed.includes('hv03'));
    assert.deepEqual(namesIn(await site.inventory.list({ wait: false }, signal)), ['hv01', 'hv03']);
  });

  it('gives a host that accepts and never answers its own deadline', async () => {
    using site = await stage({ hv02: 'silent' }, { timeoutMs: 50 });
    const listing = await site.inventory.list({}, signal);
    assert.deepEqual(namesIn(listing), ['hv01', 'hv03']);
    assert.match(listing.unreachable[0]?.error.message ?? '', /hv02 did not answer/);
  });

  it('knows a host that was edited as another one: what the old one said does not count', async () => {
    using site = await stage({});
    await site.inventory.list({}, signal);
    await site.hosts.edit({ name: 'hv01', url: 'http://new:1', threads: 4 }, signal);
    const { hosts } = await site.inventory.list({ host: 'hv01', wait: false }, signal);
    assert.deepEqual(hosts, [{ host: 'hv01' }]);
    assert.equal(site.hosts.get('hv01').record.threads, 4);
    behaviours.set('http://dead:1', 'refuses');
    await assert.rejects(site.hosts.edit({ name: 'hv01', url: 'http://dead:1' }, signal));
    assert.equal(site.hosts.get('hv01').record.url, 'http://new:1', 'a failed test changes nothing');
  });
});
