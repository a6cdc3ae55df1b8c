import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import type { AgentConnection } from '../../../server/daemon/agent-client/connection.ts';
import type { RunHost } from '../../../server/daemon/runs/context.ts';
import { locateVm } from '../../../server/daemon/runs/locate-vm.ts';
import { errorCodes } from '../../../server/protocol/errors.ts';
import { FakeBackup, reported } from './support/fake-backup.ts';

const first = '11111111-2222-3333-4444-555555555555';
const second = '22222222-2222-3333-4444-555555555555';

/** A host with these VMs (name, id), or one that does not answer. */
function host(name: string, vms: readonly (readonly [string, string])[] | 'away'): RunHost {
  const fields = { state: 'off', generation: 2, configVersion: '9.0', disks: [], rctBlockers: [], checkpointCount: 0 };
  const connection: AgentConnection = {
    ...new FakeBackup().connection,
    request: async (message) =>
      message.result({ vms: vms === 'away' ? [] : vms.map(([label, id]) => ({ ...fields, name: label, id })) }, ''),
  };
  return {
    name,
    threads: 1,
    connect: async () => {
      if (vms === 'away') throw reported(errorCodes.hostUnreachable);
      return connection;
    },
  };
}

async function locate(
  hosts: readonly RunHost[],
  request: { readonly host?: string; readonly vm: string },
  known: readonly string[] = [],
): Promise<string> {
  const get = (name: string): RunHost => hosts.find((one) => one.name === name) ?? assert.fail(name);
  const found = await locateVm(request, async () => new Set(known), new FakeBackup().context, {
    hosts: { get, list: () => hosts },
  });
  return `${found.host.name} ${found.vm.id}`;
}

describe('finding a VM', () => {
  const a = host('a', [
    ['sql01', first],
    ['web', second],
  ]);

  it('finds it by name or GUID, whatever the case, on the named host or on any', async () => {
    const away = host('c', 'away');
    for (const vm of ['sql01', 'SQL01', first, first.toLowerCase()]) {
      assert.equal(await locate([a, away], { host: 'a', vm }), `a ${first}`);
      assert.equal(await locate([away, a], { vm }), `a ${first}`);
    }
  });

  it('finds a VM that migrated by its GUID, and takes no stranger of the same name for it', async () => {
    const emptied = host('b', []);
    const stranger = host('d', [['sql01', second]]);
    assert.equal(await locate([emptied, a, stranger], { host: 'b', vm: 'sql01' }, [first]), `a ${first}`);
    await assert.rejects(locate([emptied, stranger], { host: 'b', vm: 'sql01' }, [first]), {
      code: errorCodes.vmNotFound,
    });
  });

  it('finds a VM that moved away from a host that is down; a VM that did not move gets the reason', async () => {
    const down = host('b', 'away');
    assert.equal(await locate([down, a], { host: 'b', vm: 'sql01' }, [first]), `a ${first}`);
    await assert.rejects(locate([down, a], { host: 'b', vm: 'sql01' }), { code: errorCodes.hostUnreachable });
  });

  it('refuses a name that more than one VM answers to', async () => {
    const twin = host('b', [['sql01', second]]);
    await assert.rejects(locate([a, twin], { vm: 'sql01' }), { code: errorCodes.vmBusy });
    const twice = host('c', [
      ['sql01', first],
      ['SQL01', second],
    ]);
    await assert.rejects(locate([twice], { host: 'c', vm: 'sql01' }), { code: errorCodes.vmBusy });
  });
});
