import assert from 'node:assert/strict';
import { test } from 'node:test';

import { certificateSha256 } from '../../../server/base/channel-binding.ts';
import { connectRemoteDaemon } from '../../../server/connect/index.ts';
import { listenRemotely } from '../../../server/daemon/remote-listener.ts';
import { errorCodes } from '../../../server/protocol/errors.ts';
import { testCertificate } from '../../support/certificate.ts';

const password = 'correct horse battery staple';
const own = testCertificate('ecdsa-sha256');
const minute = 60_000;

test('a daemon that serves other machines locks out an address after five wrong passwords, for longer and longer', async () => {
  let time = 1_000_000;
  let clients = 0;
  const letIn = Promise.withResolvers<void>();
  const lines: string[] = [];
  const clock = { now: () => time, sleep: async () => Promise.resolve() };
  const listener = await listenRemotely(
    {
      listen: 'https://127.0.0.1:0',
      cert: own.cert,
      key: own.key,
      password,
      timing: { clock },
      // This computer itself is never locked out, unless a test says so.
      lockOut: { exempt: () => false },
    },
    { log: (_level, message) => lines.push(message) },
    (socket) => {
      clients += 1;
      letIn.resolve();
      socket.destroy();
    },
  );
  const attempt = async (text: string): Promise<void> => {
    const certificate = { certificateSha256: certificateSha256(own.der) };
    const { client } = await connectRemoteDaemon({ url: listener.url, password: text, client: 'test', ...certificate });
    await client.close();
  };
  const code = errorCodes.daemonAuthenticationFailed;
  const wrong = { code, message: /refused the password/ };
  const refused = { code, message: /too many logins with a wrong password/ };
  try {
    for (let failure = 1; failure <= 5; failure++) await assert.rejects(attempt('guess'), wrong);
    await assert.rejects(attempt('guess'), refused);
    await assert.rejects(attempt(password), refused);
    assert.equal(clients, 0);
    time += minute;
    await assert.rejects(attempt('guess'), wrong);
    time += minute;
    await assert.rejects(attempt(password), refused);
    time += minute;
    // It is let in; this listener then hangs up.
    await assert.rejects(attempt(password), (error: unknown) => error !== undefined);
    await letIn.promise;
    await assert.rejects(attempt('guess'), wrong, 'the right password has ended the row');
    assert.ok(lines.some((line) => line.includes('wrong password from 127.0.0.1: 5 in a row, refused for 60 s')));
  } finally {
    listener.close();
  }
});

test('this computer itself is slowed down and never locked out of its daemon', async () => {
  const clock = { now: () => 1_000_000, sleep: async () => Promise.resolve() };
  const access = { listen: 'https://127.0.0.1:0', cert: own.cert, key: own.key, password, timing: { clock } };
  const listener = await listenRemotely(access, { log: () => undefined }, (socket) => socket.destroy());
  const options = { url: listener.url, client: 'test', certificateSha256: certificateSha256(own.der) };
  try {
    for (let failure = 1; failure <= 8; failure++) {
      await assert.rejects(connectRemoteDaemon({ ...options, password: 'guess' }), { message: /refused the password/ });
    }
  } finally {
    listener.close();
  }
});

test('strangers cannot fill the log of a daemon that serves other machines', async () => {
  const lines: string[] = [];
  const clock = { now: () => 1_000_000, sleep: async () => Promise.resolve() };
  const access = { listen: 'https://127.0.0.1:0', cert: own.cert, key: own.key, password, timing: { clock } };
  const lockOut = { exempt: () => false };
  const listener = await listenRemotely(
    { ...access, lockOut },
    { log: (_level, message) => lines.push(message) },
    (socket) => socket.destroy(),
  );
  const options = { url: listener.url, client: 'test', certificateSha256: certificateSha256(own.der) };
  try {
    for (let count = 0; count < 40; count++)
      await assert.rejects(connectRemoteDaemon({ ...options, password: 'guess' }));
  } finally {
    listener.close();
  }
  assert.ok(lines.length < 25, `${lines.length} lines`);
  assert.match(lines.at(-1) ?? '', /35 refused unheard/);
});
