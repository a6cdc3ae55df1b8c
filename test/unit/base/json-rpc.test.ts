import assert from 'node:assert/strict';
import { once } from 'node:events';
import { duplexPair } from 'node:stream';
import type { Duplex } from 'node:stream';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

import * as fc from 'fast-check';

import { handleNotification, handleRequest, messageConnection, sendRequest } from '../../../server/base/json-rpc.ts';
import { errorCodes, TidemarkError } from '../../../server/protocol/errors.ts';
import { notification, request } from '../../../server/protocol/message.ts';
import { array, integer, object, string } from '../../../server/protocol/parse.ts';

const add = request('test/add', object({ values: array(integer()) }), object({ sum: integer() }));
const said = notification('test/said', object({ text: string() }));
const lost = (cause?: unknown): TidemarkError => new TidemarkError(errorCodes.agentConnectionLost, 'Lost.', { cause });
const maxBytes = 1024 * 1024;

/** Bytes of objects and texts that something still needs. */
function memoryInUse(): number {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc()');
  return process.memoryUsage().heapUsed;
}

/** A served connection: `stream` is the other end, raw. */
function served(options: { readonly maxRequests?: number; readonly handler?: () => Promise<void> } = {}): {
  readonly stream: Duplex;
  readonly near: Duplex;
  readonly calls: number[][];
} {
  const [near, stream] = duplexPair();
  stream.on('error', () => undefined);
  near.on('error', () => undefined);
  const rpc = messageConnection(near, maxBytes, options.maxRequests);
  const calls: number[][] = [];
  handleRequest(rpc, add, async ({ values }) => {
    calls.push([...values]);
    await options.handler?.();
    return { sum: values.reduce((total, value) => total + value, 0) };
  });
  rpc.listen();
  return { stream, near, calls };
}

const frame = (value: unknown): Buffer => {
  const body = Buffer.from(typeof value === 'string' ? value : JSON.stringify(value));
  return Buffer.concat([Buffer.from(`Content-Length: ${body.length}\r\n\r\n`), body]);
};
const addMessage = (id: number, values: unknown): Buffer =>
  frame({ jsonrpc: '2.0', id, method: add.method, params: { values } });

test('a request is parsed on both sides and answered', async () => {
  const { stream } = served();
  const client = messageConnection(stream, maxBytes);
  client.listen();
  assert.deepEqual(await sendRequest(client, add, { values: [1, 2, 3] }, { lost }), { sum: 6 });
});

test('parameters that do not parse come back as TM1001, which names the place', async () => {
  const { stream, calls } = served();
  const client = messageConnection(stream, maxBytes);
  client.listen();
  await assert.rejects(sendRequest(client, add, { values: [1, -2] }, { lost }), (error) => {
    assert.ok(TidemarkError.is(error, errorCodes.invalidInput));
    assert.match(error.message, /values\[1\]/);
    return true;
  });
  assert.deepEqual(calls, []);
});

test("a handler's error keeps its code, text and hint; a code of a newer peer becomes TM1900", async () => {
  const failures = [
    new TidemarkError(errorCodes.vmNotFound, 'No such VM.', { hint: 'Look.' }),
    Object.assign(new TidemarkError(errorCodes.vmNotFound, 'New.'), { code: 'TM9999' }),
  ];
  const { stream } = served({
    handler: async () => {
      throw failures.shift() ?? new Error('none left');
    },
  });
  const client = messageConnection(stream, maxBytes);
  client.listen();
  const ask = async (): Promise<unknown> => sendRequest(client, add, { values: [] }, { lost });
  await assert.rejects(ask(), { code: 'TM2101', message: 'No such VM.', hint: 'Look.' });
  await assert.rejects(ask(), { code: 'TM1900', message: 'New.' });
});

test('aborting a request throws TM1999 and aborts the handler', async () => {
  const [left, right] = duplexPair();
  const server = messageConnection(left, maxBytes);
  const aborted = Promise.withResolvers<void>();
  const started = Promise.withResolvers<void>();
  handleRequest(server, add, async (_, signal) => {
    signal.addEventListener('abort', () => aborted.resolve());
    started.resolve();
    await aborted.promise;
    return { sum: 0 };
  });
  server.listen();
  const client = messageConnection(right, maxBytes);
  client.listen();
  const controller = new AbortController();
  const asked = sendRequest(client, add, { values: [] }, { lost, signal: controller.signal });
  await started.promise;
  controller.abort();
  await assert.rejects(asked, { code: 'TM1999' });
  await aborted.promise;
});

test('a connection that ends under a request gives the error of the caller', async () => {
  const { stream } = served({ handler: async () => new Promise(() => undefined) });
  const client = messageConnection(stream, maxBytes);
  client.onClose(() => client.dispose());
  client.listen();
  const asked = sendRequest(client, add, { values: [] }, { lost });
  setImmediate(() => stream.destroy());
  await assert.rejects(asked, { code: 'TM2005' });
});

test('a notification that does not parse is reported and the next one arrives', async () => {
  const [left, right] = duplexPair();
  const server = messageConnection(left, maxBytes);
  const heard: string[] = [];
  const bad: unknown[] = [];
  handleNotification(
    server,
    said,
    ({ text }) => heard.push(text),
    (error) => bad.push(error),
  );
  server.listen();
  right.write(frame({ jsonrpc: '2.0', method: said.method, params: { text: 7 } }));
  right.write(frame({ jsonrpc: '2.0', method: said.method, params: { text: 'hello' } }));
  while (heard.length === 0) await turn();
  assert.deepEqual(heard, ['hello']);
  assert.equal(bad.length, 1);
});

test('messages are found however the bytes are cut', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1 }), async (sizes) => {
      const { stream, calls } = served();
      stream.resume();
      const bytes = Buffer.concat([addMessage(1, [1]), addMessage(2, [2, 2]), addMessage(3, [3])]);
      let index = 0;
      for (let at = 0; at < bytes.length;) {
        const size = sizes[index++ % sizes.length] ?? 1;
        stream.write(bytes.subarray(at, at + size));
        at += size;
        if (size % 3 === 0) await turn();
      }
      while (calls.length < 3) await turn();
      assert.deepEqual(calls, [[1], [2, 2], [3]]);
    }),
    { numRuns: 50 },
  );
});

test('a large message in small pieces arrives whole', async () => {
  const { stream, calls } = served();
  stream.resume();
  const values = Array.from({ length: 20_000 }, (_, index) => index);
  const bytes = addMessage(1, values);
  for (let at = 0; at < bytes.length; at += 1000) stream.write(bytes.subarray(at, at + 1000));
  while (calls.length < 1) await turn();
  assert.deepEqual(calls[0], values);
});

const violations: readonly (readonly [string, Buffer])[] = [
  ['a message larger than allowed', Buffer.from(`Content-Length: ${maxBytes + 1}\r\n\r\n`)],
  ['a length that is no number', Buffer.from('Content-Length: -1\r\n\r\n{}')],
  ['headers that never end', Buffer.from('x'.repeat(2000))],
  ['a message without a length', Buffer.from('Content-Type: text/plain\r\n\r\n{}')],
  ['a body that is no JSON', frame('{"jsonrpc":')],
  ['an empty body', frame('')],
  ['JSON that is no message', frame('[1,2]')],
  ['a message with more values than memory is given for', frame(`{"jsonrpc":"2.0","x":[${'{},'.repeat(100_000)}0]}`)],
];
for (const [what, bytes] of violations) {
  test(`${what} ends the connection`, async () => {
    const { stream, near, calls } = served();
    stream.resume();
    stream.write(bytes);
    if (!near.closed) await once(near, 'close');
    assert.deepEqual(calls, []);
  });
}

test('any bytes end the connection or are waited for, and nothing is thrown', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(
        fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
        fc.string({ maxLength: 100 }).map((text) => frame(text)),
        fc.json().map((text) => frame(text)),
        fc.json().map((text) => frame(`{"jsonrpc":"2.0","id":1,"method":"test/add","params":${text}}`)),
        fc.json().map((text) => frame(`{"jsonrpc":"2.0","id":${text},"result":1,"error":${text}}`)),
      ),
      async (bytes) => {
        const { stream } = served();
        stream.resume();
        stream.end(bytes);
        await turn();
        await turn();
      },
    ),
  );
});

test('requests beyond the limit stay unread until answers have left', async () => {
  const gate = Promise.withResolvers<void>();
  const { stream, calls } = served({ maxRequests: 4, handler: async () => gate.promise });
  stream.resume();
  stream.write(Buffer.concat(Array.from({ length: 40 }, (_, id) => addMessage(id, [id]))));
  for (let turns = 0; turns < 100; turns++) await turn();
  assert.equal(calls.length, 4);
  gate.resolve();
  while (calls.length < 40) await turn();
  assert.deepEqual(calls.at(-1), [39]);
});

test('a peer that asks and never reads the answers is not read for ever', async () => {
  const { stream, calls } = served({ maxRequests: 8 });
  for (let id = 0; id < 20_000; id++) stream.write(addMessage(id, [id]));
  for (let turns = 0; turns < 5000; turns++) await turn();
  assert.ok(calls.length < 2000, `${calls.length} requests were answered into memory`);
});

test('a peer that ends its half is gone at once, also on a stream that may stay half open', async () => {
  const { stream, near } = served();
  assert.equal(near.allowHalfOpen, true);
  stream.end();
  await once(near, 'close');
});

test('what came with a request and is no part of it is not held until the answer', async (t) => {
  const before = memoryInUse();
  const end = Promise.withResolvers<void>();
  const { stream, calls } = served({ handler: async () => end.promise });
  t.after(() => end.resolve());
  const count = 40;
  const extra = 'x'.repeat(maxBytes / 3);
  for (let id = 1; id <= count; id++) {
    stream.write(frame({ jsonrpc: '2.0', id, method: add.method, params: { values: [id], extra }, extra }));
    while (calls.length < id) await turn();
  }
  const heldBytes = memoryInUse() - before;
  assert.ok(heldBytes < (count * maxBytes) / 6, `${heldBytes} bytes are held`);
});

for (const [what, message] of [
  ['id', { id: 'i'.repeat(1000), method: add.method, params: { values: [] } }],
  ['method', { id: 1, method: 'm'.repeat(1000), params: {} }],
] as const) {
  test(`a request whose ${what} is a long text ends the connection: it would be held, and sent back`, async () => {
    const { stream, near, calls } = served();
    const closed = once(near, 'close');
    stream.resume().write(frame({ jsonrpc: '2.0', ...message }));
    await closed;
    assert.deepEqual(calls, []);
  });
}
