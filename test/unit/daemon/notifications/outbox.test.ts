import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';

import { lineLogger, silentLogger } from '../../../../server/base/log.ts';
import { maxWaitingPerAddress, Outbox, retryDelaysMs } from '../../../../server/daemon/notifications/outbox.ts';
import { openSqliteStore } from '../../../../server/daemon/store/sqlite.ts';
import type { Store } from '../../../../server/daemon/store/store.ts';
import type { NewNotification, WaitingNotification } from '../../../../server/daemon/store/notification-store.ts';
import { errorCodes, throwIfAborted, TidemarkError } from '../../../../server/protocol/errors.ts';
import { runId as parseRunId } from '../../../../server/protocol/ids.ts';
import { HandClock, policyRun, runId, settled } from './sample.ts';

const minute = 60_000;

function message(id: string): NewNotification {
  return { id, channel: 'webhook', target: `https://ops.example/${id}?secret=hunter22`, body: `{"id":"${id}"}` };
}

describe('the outbox', () => {
  let directory: string;
  let store: Store;
  let clock: HandClock;
  let lines: string[];
  /** What was sent when, and what the other side does. */
  let sent: { readonly id: string; readonly body: string; readonly at: number }[];
  let send: (message: WaitingNotification, signal: AbortSignal) => Promise<void>;
  let outbox: Outbox;

  const refusing = (): Promise<void> =>
    Promise.reject(new TidemarkError(errorCodes.notificationFailed, 'It answers with status 500.'));

  const open = (): void => {
    store = openSqliteStore(join(directory, 'test.db'), silentLogger);
    outbox = new Outbox({
      store: store.notifications,
      clock,
      log: lineLogger((line) => lines.push(line)),
      shown: ({ id }) => id,
      send: async (waiting, signal) => {
        sent.push({ id: waiting.id, body: waiting.body, at: clock.now() });
        await send(waiting, signal);
      },
    });
  };
  const restart = async (): Promise<void> => {
    await outbox.close();
    store[Symbol.dispose]();
    open();
    outbox.start();
    await settled();
  };
  const states = (): readonly unknown[] =>
    store.notifications.ofRun(runId, 100).map(({ state, attempts, error }) => [state, attempts, error?.code]);

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'tidemark-outbox-'));
    clock = new HandClock();
    lines = [];
    sent = [];
    send = () => Promise.resolve();
    open();
    store.insertRun(policyRun([]), undefined);
    outbox.start();
  });

  afterEach(async () => {
    await outbox.close();
    store[Symbol.dispose]();
    rmSync(directory, { recursive: true, force: true });
  });

  it('delivers at once, and only once', async () => {
    outbox.add(runId, [message('a'), message('b')]);
    await settled();
    await clock.advance(24 * 60 * minute);
    assert.deepEqual(
      sent.map(({ id }) => id),
      ['a', 'b'],
    );
    assert.deepEqual(states(), [
      ['delivered', 1, undefined],
      ['delivered', 1, undefined],
    ]);
    assert.equal(outbox.waiting, 0);
  });

  it('tells the end of one run only once, whoever asks for it how often', async () => {
    outbox.add(runId, [message('a')]);
    outbox.add(runId, [message('b')]);
    await settled();
    assert.deepEqual(
      sent.map(({ id }) => id),
      ['a'],
    );
  });

  it('tries five times more, after 1, 5, 15, 60 and 240 minutes, with the same id and body, and gives up then', async () => {
    send = refusing;
    const start = clock.now();
    outbox.add(runId, [message('a')]);
    await settled();
    assert.deepEqual(states(), [['waiting', 1, 'TM7006']]);
    await clock.advance(24 * 60 * minute);
    const waits = sent.map(({ at }, index) => (at - (sent[index - 1]?.at ?? start)) / minute);
    assert.deepEqual(waits, [0, ...retryDelaysMs.map((ms) => ms / minute)]);
    assert.deepEqual(waits, [0, 1, 5, 15, 60, 240]);
    assert.equal(new Set(sent.map(({ id, body }) => id + body)).size, 1);
    assert.deepEqual(states(), [['failed', 6, 'TM7006']]);
    assert.equal(outbox.waiting, 0);
    assert.match(lines.at(-1) ?? '', /given up/);
  });

  it('goes on after a restart where it was, and does not begin again', async () => {
    send = refusing;
    outbox.add(runId, [message('a')]);
    await settled();
    await clock.advance(2 * minute);
    assert.equal(sent.length, 2);
    await restart();
    assert.equal(sent.length, 2, 'it is not due yet');
    send = () => Promise.resolve();
    await clock.advance(5 * minute);
    assert.deepEqual(states(), [['delivered', 3, undefined]]);
  });

  it('sends what came due while the daemon was away as soon as it is back', async () => {
    send = refusing;
    outbox.add(runId, [message('a')]);
    await settled();
    await outbox.close();
    store[Symbol.dispose]();
    clock.set(clock.now() + 48 * 60 * minute);
    send = () => Promise.resolve();
    open();
    outbox.start();
    await settled();
    assert.deepEqual(states(), [['delivered', 2, undefined]]);
  });

  it('does not count what was on its way when the daemon ended, and sends it again then', async () => {
    send = async (_message, signal) => {
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
      throwIfAborted(signal);
    };
    outbox.add(runId, [message('a')]);
    await settled();
    assert.equal(outbox.waiting, 1);
    send = () => Promise.resolve();
    await restart();
    assert.deepEqual(states(), [['delivered', 1, undefined]]);
  });

  it('sends at most eight at a time, one to each webhook and one mail; what hangs holds up its own only', async () => {
    const hang = Promise.withResolvers<void>();
    const inside = new Map<string, number>();
    let most = 0;
    send = async ({ id, channel, target }) => {
      const lane = channel === 'email' ? channel : target;
      inside.set(lane, (inside.get(lane) ?? 0) + 1);
      most = Math.max(
        most,
        [...inside.values()].reduce((sum, number) => sum + number, 0),
      );
      assert.equal(inside.get(lane), 1);
      if (id.startsWith('hung')) await hang.promise;
      else await settled();
      inside.set(lane, 0);
    };
    const to = (id: string, target: string): NewNotification => ({ ...message(id), target });
    const mail = (id: string): NewNotification => ({ ...message(id), channel: 'email', target: `${id}@example.com` });
    const many = Array.from({ length: 20 }, (_, index) => message(`m${index}`));
    outbox.add(runId, [to('hung1', 'x'), to('after1', 'x'), mail('hung2'), mail('after2'), ...many]);
    for (let turn = 0; turn < 40; turn++) await settled();
    assert.equal(outbox.waiting, 4, 'only what hangs, and what is behind it');
    hang.resolve();
    for (let turn = 0; turn < 10; turn++) await settled();
    assert.deepEqual([outbox.waiting, most], [0, 8]);
  });

  it('gives up after a day what waits behind a receiver that hangs, however often it was tried', async () => {
    const to = (id: string): NewNotification => ({ ...message(id), target: 'x' });
    // Each attempt takes five hours.
    send = async () => {
      const waited = Promise.withResolvers<void>();
      clock.setTimer(5 * 60 * minute, () => waited.resolve());
      await waited.promise;
      await refusing();
    };
    outbox.add(runId, ['a', 'b', 'c', 'd', 'e', 'f'].map(to));
    await settled();
    await clock.advance(60 * 60 * minute);
    const stored = store.notifications.ofRun(runId, 100);
    assert.deepEqual(
      stored.map(({ state }) => state),
      ['failed', 'failed', 'failed', 'failed', 'failed', 'failed'],
    );
    assert.ok(stored.every(({ attempts }) => attempts >= 1 && attempts < 1 + retryDelaysMs.length));
    assert.equal(stored[0]?.error?.code, errorCodes.notificationFailed);
    assert.match(stored[0]?.error?.message ?? '', /not be delivered within 24 hours\. It answers with status 500/);
    assert.equal(outbox.waiting, 0);
  });

  it('keeps the newest hundred messages for one address, and says of the others that they were given up', async () => {
    send = refusing;
    const to = (id: string, target: string): NewNotification => ({ ...message(id), target });
    const ids = Array.from({ length: maxWaitingPerAddress + 5 }, (_, index) => `m${index}`);
    outbox.add(runId, [to('other', 'y'), ...ids.map((id) => to(id, 'https://ops.example/x?secret=hunter22'))]);
    const [other, ...rest] = store.notifications.ofRun(runId, 1000);
    assert.equal(other?.state, 'waiting');
    const givenUp = rest.filter(({ state }) => state === 'failed');
    assert.deepEqual(givenUp, rest.slice(0, 5));
    assert.match(givenUp[0]?.error?.message ?? '', /given up for newer messages/);
    assert.equal(outbox.waiting, maxWaitingPerAddress + 1);
    assert.doesNotMatch(lines.join('\n'), /hunter22/);
  });

  it('gives up also a message that is on its way when there are too many, and takes back nothing but its delivery', async () => {
    const attempts = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    for (const [at, run] of ['01JNKTVZ00AAAAAAAAAAAAAAAB', '01JNKTVZ00AAAAAAAAAAAAAAAC'].entries()) {
      send = async ({ id }) => (id.startsWith('first') ? attempts[at]?.promise : refusing());
      const to = (id: string): NewNotification => ({ ...message(`${id}${at}`), target: `x${at}` });
      const [first, many] = [parseRunId(run, 'id'), parseRunId(`${run.slice(0, -1)}${at}`, 'id')];
      outbox.add(first, [to('first')]);
      await settled();
      outbox.add(
        many,
        Array.from({ length: maxWaitingPerAddress }, (_, index) => to(`m${index}-`)),
      );
      if (at === 0) attempts[at]?.reject(new Error('late'));
      else attempts[at]?.resolve();
      await settled();
      assert.equal(store.notifications.ofRun(first, 1)[0]?.state, at === 0 ? 'failed' : 'delivered');
    }
  });

  it('is not misled by a clock that was a year ahead for a moment', async () => {
    send = refusing;
    const real = clock.now();
    clock.set(real + 365 * 24 * 60 * minute);
    outbox.add(runId, [message('a')]);
    await settled();
    clock.set(real);
    send = () => Promise.resolve();
    await restart();
    assert.deepEqual(states(), [['delivered', 2, undefined]]);
  });

  it('leaves a message alone whose delivery could not be recorded, until the next start', async () => {
    const { notifications } = store;
    notifications.delivered = () => {
      throw new Error('disk full');
    };
    outbox.add(runId, [message('a')]);
    await settled();
    await clock.advance(24 * 60 * minute);
    assert.equal(sent.length, 1);
    assert.match(lines.join('\n'), /cannot be recorded/);
  });

  it('forgets what was said of runs that the history has forgotten, and keeps what waits', async () => {
    send = ({ id }) => (id === 'b' ? refusing() : Promise.resolve());
    outbox.add(runId, [message('a'), message('b')]);
    await settled();
    // The newest run of a policy is never forgotten.
    store.insertRun({ ...policyRun([]), id: parseRunId('01JNKTVZ00AAAAAAAAAAAAAAAB', 'id') }, undefined);
    store.trimRuns(0);
    const left = store.notifications.ofRun(runId, 10).length;
    await restart();
    assert.deepEqual([left, states()], [2, [['waiting', 1, 'TM7006']]]);
  });

  it('never writes the secret of an address to the log', async () => {
    send = refusing;
    outbox.add(runId, [message('a')]);
    await settled();
    assert.ok(lines.length > 0);
    assert.doesNotMatch(lines.join('\n'), /hunter22/);
  });
});
