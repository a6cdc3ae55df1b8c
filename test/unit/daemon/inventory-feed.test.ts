import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it, mock } from 'node:test';

import { InventoryFeed } from '../../../server/daemon/inventory-feed.ts';
import type { InventoryChange } from '../../../server/protocol/daemon.ts';

describe('the inventory feed of one client', () => {
  let sent: InventoryChange[] = [];
  let taken = Promise.withResolvers<void>();
  let watching = 0;
  const subscription = (): Disposable => {
    watching += 1;
    return { [Symbol.dispose]: () => (watching -= 1) };
  };
  const feed = (stalls = false): InventoryFeed =>
    new InventoryFeed(async (change) => {
      sent.push(change);
      if (stalls) await taken.promise;
    });

  beforeEach(() => {
    sent = [];
    taken = Promise.withResolvers();
    watching = 0;
    mock.timers.enable({ apis: ['setTimeout'] });
    let now = 0;
    mock.method(performance, 'now', () => now);
    pass = (ms) => {
      for (let left = ms; left > 0; left -= 10) {
        now += 10;
        mock.timers.tick(10);
      }
    };
  });
  let pass: (ms: number) => void = () => undefined;
  afterEach(() => {
    mock.timers.reset();
    mock.restoreAll();
  });

  it('says nothing before the client subscribed, and watches once however often it does', () => {
    const one = feed();
    one.push({ kind: 'hosts' }, 1);
    pass(1000);
    assert.equal(sent.length, 0);
    one.subscribe(subscription);
    one.subscribe(subscription);
    assert.equal(watching, 1);
    one.close();
    assert.equal(watching, 0);
  });

  it('tells a storm of changes at most four times a second, and everything in it', async () => {
    const one = feed();
    one.subscribe(subscription);
    for (let number = 1; number <= 400; number++) {
      one.push({ kind: 'vms', host: `hv${number % 50}` }, number);
      pass(10);
      await Promise.resolve();
      await Promise.resolve();
    }
    pass(300);
    assert.ok(sent.length <= 17, `${sent.length} in four seconds`);
    assert.equal(new Set(sent.flatMap(({ vmsOf }) => vmsOf)).size, 50);
    assert.equal(sent.at(-1)?.sequence, 400);
  });

  it('gathers for a client that does not read, and tells it all at once when it does', async () => {
    const one = feed(true);
    one.subscribe(subscription);
    one.push({ kind: 'hosts' }, 1);
    pass(100);
    one.push({ kind: 'repositories' }, 2);
    one.push({ kind: 'restorePoints', repository: 'main' }, 3);
    one.push({ kind: 'vms', host: 'hv01' }, 4);
    one.push({ kind: 'policies' }, 5);
    pass(10_000);
    assert.equal(sent.length, 1);
    taken.resolve();
    await new Promise(setImmediate);
    pass(300);
    assert.deepEqual(sent[1], {
      sequence: 5,
      hosts: false,
      repositories: true,
      policies: true,
      vmsOf: ['hv01'],
      restorePointsOf: ['main'],
    });
  });
});
