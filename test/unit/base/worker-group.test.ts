import assert from 'node:assert/strict';
import { test } from 'node:test';

import { runWorkers } from '../../../server/base/worker-group.ts';
import type { WorkerGroupOptions } from '../../../server/base/worker-group.ts';

interface Said {
  readonly type: 'said';
  readonly text: string;
}
type Options = WorkerGroupOptions<string, Said>;

/** A worker of this source; `port` and `data` are there. */
function worker(source: string): URL {
  const head = `import { parentPort as port, workerData as data } from 'node:worker_threads';`;
  return new URL(`data:text/javascript,${encodeURIComponent(`${head}${source}`)}`);
}

const group = (source: string, options: Partial<Options> = {}): Options => ({
  file: worker(source),
  workerData: 7,
  count: 2,
  signal: new AbortController().signal,
  abortMessage: 'stop',
  onMessage: () => undefined,
  log: () => undefined,
  ...options,
});

test('all workers get their data, may ask, and the group ends when all have finished', async () => {
  const heard: string[] = [];
  const source = `
    port.postMessage({ type: 'said', text: 'got ' + data });
    port.once('message', (answer) => {
      port.postMessage({ type: 'said', text: answer });
      port.postMessage({ type: 'finished' });
    });`;
  const onMessage: Options['onMessage'] = ({ text }, send) => {
    heard.push(text);
    if (text === 'got 7') send('answer');
  };
  await runWorkers(group(source, { onMessage }));
  assert.deepEqual(
    heard.toSorted((left, right) => left.localeCompare(right)),
    ['answer', 'answer', 'got 7', 'got 7'],
  );
});

test('the failure of one worker stops the others and is thrown with its code, its detail logged', async () => {
  const logged: string[] = [];
  const source = `
    if (data.fails.length > 0 && Atomics.add(data.turn, 0, 1) === 0) {
      port.postMessage({ type: 'failed', error: { code: 'TM2005', message: 'Lost.' }, detail: 'stack' });
    } else {
      port.on('message', (text) => { if (text === 'stop') port.close(); });
    }`;
  const workerData = { fails: 'x', turn: new Int32Array(new SharedArrayBuffer(4)) };
  await assert.rejects(runWorkers(group(source, { workerData, log: (text) => logged.push(text) })), {
    code: 'TM2005',
    message: 'Lost.',
  });
  assert.deepEqual(logged, ['stack']);
});

test('a cancelled group tells its workers, and throws the cancellation also when they do not listen', async () => {
  for (const source of ['port.on("message", () => port.close());', 'port.ref(); setInterval(() => undefined, 1000);']) {
    const controller = new AbortController();
    const running = runWorkers(group(source, { signal: controller.signal }));
    setTimeout(() => controller.abort(), 50);
    await assert.rejects(running, { code: 'TM1999' });
  }
  await assert.rejects(runWorkers(group('', { signal: AbortSignal.abort() })), { code: 'TM1999' });
});

test('a worker that breaks while it stops is in the log: it may have left something', async () => {
  const controller = new AbortController();
  const logged: string[] = [];
  const source = 'port.on("message", () => { throw new RangeError("broken"); }); port.postMessage({ type: "said" });';
  const options = {
    signal: controller.signal,
    onMessage: () => controller.abort(),
    log: (text: string) => logged.push(text),
  };
  await assert.rejects(runWorkers(group(source, { ...options, count: 1 })), { code: 'TM1999' });
  assert.match(logged.join(), /broken/);
});

test('a worker that throws, or ends without a word, fails the group', async () => {
  await assert.rejects(runWorkers(group('throw new RangeError("broken");')), /broken/);
  await assert.rejects(runWorkers(group('')), { code: 'TM1900' });
});

test('a worker that cannot be started fails the group', async () => {
  // What cannot be cloned is refused where a thread that the system does not grant is.
  await assert.rejects(runWorkers(group('port.postMessage({ type: "finished" });', { workerData: () => 0 })), {
    code: 'TM1900',
  });
});

test('what the receiver of a message throws ends the group', async () => {
  const onMessage = (): never => {
    throw new Error('enough');
  };
  await assert.rejects(runWorkers(group(`port.postMessage({ type: 'said', text: '' });`, { onMessage })), /enough/);
});
