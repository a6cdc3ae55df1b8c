import assert from 'node:assert/strict';
import { test } from 'node:test';

import * as fc from 'fast-check';

import {
  parseClientFinal,
  parseClientFirst,
  parseServerFinal,
  parseServerFirst,
} from '../../../server/base/scram-messages.ts';
import { ScramClient, scramCredential, scramIterations, ScramServer } from '../../../server/base/scram.ts';
import type { ChannelBinding } from '../../../server/base/scram.ts';
import { errorCodes, TidemarkError } from '../../../server/protocol/errors.ts';

const none: ChannelBinding = { type: 'none' };
const bound = (text: string): ChannelBinding => ({ type: 'tls-server-end-point', data: Buffer.from(text) });
const hasCode = (code: string) => (error: unknown) => {
  assert.ok(TidemarkError.is(error), String(error));
  assert.equal(error.code, code);
  return true;
};
const credential = await scramCredential('pencil');

async function exchange(
  password: string,
  clientSees: ChannelBinding,
  serverSees: ChannelBinding,
  user?: string,
): Promise<{ readonly clientKey: Buffer; readonly serverKey: Buffer }> {
  const client = new ScramClient(password, clientSees, user === undefined ? {} : { user });
  const server = new ScramServer(credential, serverSees);
  const { message, dataKey } = server.final(await client.final(server.first(client.first())));
  return { clientKey: client.verify(message), serverKey: dataKey };
}

const vectors = [
  {
    name: 'RFC 5802 section 5 (SHA-1)',
    hash: 'sha1',
    nonce: 'fyko+d2lbbFgONRv9qkxdawL',
    serverNonce: '3rfcNHYJY1ZVvWVs7j',
    salt: 'QSXCR+Q6sek8bf92',
    messages: [
      'n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL',
      'r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096',
      'c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=',
      'v=rmF9pqV8S7suAoZWja4dJRkFsKQ=',
    ],
  },
  {
    name: 'RFC 7677 section 3 (SHA-256)',
    hash: 'sha256',
    nonce: 'rOprNGfwEbeRWgbNEkqO',
    serverNonce: '%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0',
    salt: 'W22ZaJ0SNY7soEsUEjb6gQ==',
    messages: [
      'n,,n=user,r=rOprNGfwEbeRWgbNEkqO',
      'r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096',
      'c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=',
      'v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=',
    ],
  },
] as const;

for (const { name, hash, nonce, serverNonce, salt, messages } of vectors) {
  test(`the exchange of ${name} comes out byte for byte`, async () => {
    const given = await scramCredential('pencil', { hash, iterations: 4096, salt: Buffer.from(salt, 'base64') });
    const client = new ScramClient('pencil', none, { nonce, user: 'user', hash, minIterations: 4096 });
    const server = new ScramServer(given, none, serverNonce);
    const first = client.first();
    const serverFirst = server.first(first);
    const final = await client.final(serverFirst);
    const serverFinal = server.final(final);
    assert.deepEqual([first, serverFirst, final, serverFinal.message], messages);
    assert.deepEqual(client.verify(serverFinal.message), serverFinal.dataKey);
  });
}

test('both sides come to the same data key, another one each time', async () => {
  const one = await exchange('pencil', none, none);
  const two = await exchange('pencil', none, none);
  assert.deepEqual(one.clientKey, one.serverKey);
  assert.equal(one.clientKey.length, 32);
  assert.notDeepEqual(one.clientKey, two.clientKey);
});

test('the user name does not matter, whatever is in it', async () => {
  for (const user of ['', 'administrator', 'a,b=c', 'żółw 🐢']) await exchange('pencil', none, none, user);
});

test('a password counts as the same in composed and decomposed form', async () => {
  const decomposed = await scramCredential('cafe\u0301');
  const client = new ScramClient('caf\u00e9', none);
  const server = new ScramServer(decomposed, none);
  assert.ok(client.verify(server.final(await client.final(server.first(client.first()))).message));
});

test('a wrong password is TM2002 at the server', async () => {
  await assert.rejects(exchange('pen', none, none), hasCode(errorCodes.agentAuthenticationFailed));
});

test('the password, and what could stand for it, never appear in a message', async () => {
  const client = new ScramClient('pencil', none);
  const server = new ScramServer(credential, none);
  const first = server.first(client.first());
  const final = await client.final(first);
  const sent = [client.first(), first, final, server.final(final).message].join('\n');
  for (const secret of ['pencil', credential.storedKey.toString('base64'), credential.serverKey.toString('base64')]) {
    assert.ok(!sent.includes(secret));
  }
});

test('a server that does not know the password is TM2002 at the client', async () => {
  const client = new ScramClient('pencil', none);
  const impostor = new ScramServer(await scramCredential('guess'), none);
  await client.final(impostor.first(client.first()));
  assert.throws(
    () => client.verify(`v=${Buffer.alloc(32).toString('base64')}`),
    hasCode(errorCodes.agentAuthenticationFailed),
  );
});

test('a connection that ends elsewhere than the server sees is TM2003', async () => {
  await exchange('pencil', bound('a'), bound('a'));
  const mismatches: readonly (readonly [ChannelBinding, ChannelBinding])[] = [
    [bound('a'), bound('b')],
    [none, bound('a')],
    [bound('a'), none],
  ];
  for (const [client, server] of mismatches) {
    await assert.rejects(exchange('pencil', client, server), hasCode(errorCodes.agentCertificateMismatch));
  }
});

test('somebody in between cannot take the binding out of the messages', async () => {
  const client = new ScramClient('pencil', bound('of the one in between'));
  const server = new ScramServer(credential, bound('of the agent'));
  assert.throws(
    () => server.first(client.first().replace('p=tls-server-end-point', 'y')),
    hasCode(errorCodes.agentCertificateMismatch),
  );
  const again = new ScramServer(credential, bound('of the agent'));
  const final = await client.final(again.first(client.first()));
  const right = Buffer.concat([Buffer.from('p=tls-server-end-point,,'), Buffer.from('of the agent')]);
  const forged = final.replace(/^c=[^,]*/, `c=${right.toString('base64')}`);
  assert.throws(() => again.final(forged), hasCode(errorCodes.agentAuthenticationFailed));
});

test('a proof is good for one exchange only', async () => {
  const client = new ScramClient('pencil', none);
  const server = new ScramServer(credential, none);
  const final = await client.final(server.first(client.first()));
  server.final(final);
  assert.throws(() => server.final(final), hasCode(errorCodes.agentProtocolViolation));
  const replayed = new ScramServer(credential, none);
  replayed.first(client.first());
  assert.throws(() => replayed.final(final), hasCode(errorCodes.agentProtocolViolation));
});

test('a client refuses iterations that make guessing cheap or waiting long', async () => {
  for (const iterations of [1, 4096, scramIterations.min - 1, scramIterations.max + 1, 9_999_999_999]) {
    const client = new ScramClient('pencil', none, { nonce: 'abc' });
    await assert.rejects(
      client.final(`r=abcdef,s=QSXCR+Q6sek8bf92,i=${iterations}`),
      hasCode(errorCodes.agentProtocolViolation),
    );
  }
});

test('a client refuses a nonce that does not go on from its own', async () => {
  for (const nonce of ['abc', 'xabcdef', 'ab', '']) {
    const client = new ScramClient('pencil', none, { nonce: 'abc' });
    await assert.rejects(
      client.final(`r=${nonce},s=QSXCR+Q6sek8bf92,i=100000`),
      hasCode(errorCodes.agentProtocolViolation),
    );
  }
});

const parsers = [parseClientFirst, parseServerFirst, parseClientFinal, parseServerFinal];
const samples = [
  'n,,n=user,r=fyko',
  'y,a=me,n=user,r=fyko,x=ext',
  'p=tls-server-end-point,,n=a=2Cb,r=x',
  'r=fykoX,s=QSXCR+Q6sek8bf92,i=4096',
  'c=biws,r=fykoX,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=',
  'v=rmF9pqV8S7suAoZWja4dJRkFsKQ=',
];

test('any text is a message or TM2004, never another failure', () => {
  const text = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 200 }),
    fc.stringMatching(/^[nypacrsivm=,+/2CD3 \0é]{0,60}$/),
    fc
      .tuple(fc.constantFrom(...samples), fc.nat(60), fc.nat(4), fc.string({ maxLength: 4 }))
      .map(([sample, at, cut, insert]) => sample.slice(0, at) + insert + sample.slice(at + cut)),
  );
  fc.assert(
    fc.property(text, (message) => {
      for (const parse of parsers) {
        try {
          parse(message);
        } catch (error) {
          assert.ok(TidemarkError.is(error, errorCodes.agentProtocolViolation), String(error));
        }
      }
    }),
    { numRuns: 2000 },
  );
});

test('mandatory extensions and attributes out of place are refused', () => {
  for (const message of [
    'n,,m=x,n=user,r=a',
    'n,,r=a,n=user',
    'x,,n=user,r=a',
    'n,b=c,n=user,r=a',
    'n,,n=a=b,r=a',
    'n,,n=user',
    '',
  ]) {
    assert.throws(() => parseClientFirst(message), hasCode(errorCodes.agentProtocolViolation), message);
  }
  for (const message of [
    'm=x,r=a,s=AAAA,i=4096',
    'r=a,i=4096,s=AAAA',
    'r=a,s=AAAA,i=0',
    'r=a,s=AAAA,i=1e9',
    'r=a,s=A,i=4096',
    'r=a,s=,i=4096',
  ]) {
    assert.throws(() => parseServerFirst(message), hasCode(errorCodes.agentProtocolViolation), message);
  }
  assert.throws(() => parseServerFinal('e=other-error'), hasCode(errorCodes.agentProtocolViolation));
});
