import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { afterEach, describe, it } from 'node:test';

import { SMTPServer } from 'smtp-server';
import type { SMTPServerOptions, SMTPServerSession } from 'smtp-server';

import { describeError } from '../../../../server/base/log.ts';
import { runEndedMail } from '../../../../server/daemon/notifications/mail-text.ts';
import { isMailAddress, sendMail } from '../../../../server/daemon/notifications/mail.ts';
import type { MailPost } from '../../../../server/daemon/notifications/mail.ts';
import type { SmtpServer } from '../../../../server/protocol/daemon.ts';
import { array, json, object, record, string } from '../../../../server/protocol/parse.ts';
import type { Parsed } from '../../../../server/protocol/parse.ts';
import { testCertificate } from '../../../support/certificate.ts';
import { listening, portOf, whole } from '../../../support/servers.ts';
import { ended, failedVm, policyRun, vmResult } from './sample.ts';

const { cert, key } = testCertificate('ecdsa-sha256', 'localhost');
const password = 'hunter22-correct-horse';
const closers: (() => void)[] = [];

afterEach(() => {
  for (const close of closers.splice(0)) close();
});

interface Received {
  readonly session: SMTPServerSession;
  readonly source: string;
}

/** A mail server that wants the password; what it took. */
async function mailServer(options: SMTPServerOptions = {}) {
  const received: Received[] = [];
  const server = new SMTPServer({
    cert,
    key,
    authMethods: ['PLAIN', 'LOGIN'],
    onAuth(auth, _session, done) {
      if (auth.username === 'tidemark' && auth.password === password) done(null, { user: 'tidemark' });
      else done(new Error('Wrong user or password'));
    },
    onData(stream, session, done) {
      whole(stream, 'latin1', (source) => {
        received.push({ session: { ...session, envelope: { ...session.envelope } }, source });
        done();
      });
    },
    ...options,
  });
  server.on('error', () => undefined);
  server.listen(0, 'localhost');
  await once(server.server, 'listening');
  closers.push(() => server.close(() => undefined));
  return { port: portOf(server.server), received };
}

function mail(port: number, more: Partial<MailPost> = {}, server: Partial<SmtpServer> = {}): MailPost {
  return {
    server: { host: 'localhost', port, security: 'starttls', from: 'backup@example.com', user: 'tidemark', ...server },
    password,
    to: 'ops@example.com',
    mail: { subject: '[Tidemark] nightly failed: 2 of 14 VMs', text: 'Zażółć gęślą jaźń\n.\nFrom here on\n' },
    id: '01JNKTVZ00AAAAAAAAAAAAAAAA',
    timeoutMs: 60_000,
    ca: [cert],
    signal: new AbortController().signal,
    ...more,
  };
}

/** The error of a mail, which must not tell the password anywhere. */
async function failureOf(post: MailPost): Promise<string> {
  try {
    await sendMail(post);
  } catch (error) {
    assert.doesNotMatch(describeError(error) + JSON.stringify(error), new RegExp(password));
    assert.ok(error instanceof Error && 'code' in error);
    return `${String(error.code)} ${error.message}`;
  }
  throw new Error('it was taken');
}

const parsedMail = object({ headers: record(array(string())), text: string() });

/** What Python's own parser makes of a mail; undefined where there is no Python. */
function parsedByPython(source: string): Parsed<typeof parsedMail> | undefined {
  const program = `
import sys, json, email, email.policy
m = email.message_from_bytes(sys.stdin.buffer.read(), policy=email.policy.default)
headers = {}
for k, v in m.items(): headers.setdefault(k.lower(), []).append(str(v))
print(json.dumps({'headers': headers, 'text': m.get_body(('plain',)).get_content(), 'defects': [str(d) for d in m.defects]}))
assert not m.defects`;
  const { status, stdout, stderr, error } = spawnSync('python3', ['-c', program], {
    input: Buffer.from(source, 'latin1'),
  });
  if (error !== undefined) return undefined;
  assert.equal(status, 0, stderr.toString());
  return json(stdout.toString(), parsedMail, 'mail');
}

describe('a mail', () => {
  it('goes through a server with STARTTLS and a password, and arrives as it was', async (t) => {
    const { port, received } = await mailServer();
    await sendMail(mail(port));
    const [first] = received;
    assert(first);
    assert.equal(first.session.secure, true);
    assert.equal(first.session.user, 'tidemark');
    const { mailFrom, rcptTo } = first.session.envelope;
    assert.deepEqual(
      [mailFrom === false ? '' : mailFrom.address, ...rcptTo.map(({ address }) => address)],
      ['backup@example.com', 'ops@example.com'],
    );
    const parsed = parsedByPython(first.source);
    if (parsed === undefined) {
      t.diagnostic('python3 is not there: the source of the mail was not judged');
      return;
    }
    assert.deepEqual(parsed.headers['subject'], ['[Tidemark] nightly failed: 2 of 14 VMs']);
    assert.deepEqual(parsed.headers['from'], ['Tidemark <backup@example.com>']);
    assert.deepEqual(parsed.headers['to'], ['ops@example.com']);
    assert.deepEqual(parsed.headers['message-id'], ['<01JNKTVZ00AAAAAAAAAAAAAAAA@example.com>']);
    assert.deepEqual(parsed.headers['auto-submitted'], ['auto-generated']);
    assert.equal(parsed.text.replaceAll('\r\n', '\n'), 'Zażółć gęślą jaźń\n.\nFrom here on\n');
  });

  it('goes through a server with TLS from the first byte, and through one without anything', async () => {
    const tls = await mailServer({ secure: true });
    await sendMail(mail(tls.port, {}, { security: 'tls' }));
    const open = await mailServer({ authOptional: true, disabledCommands: ['STARTTLS', 'AUTH'] });
    await sendMail(mail(open.port, { password: undefined }, { security: 'none', user: undefined }));
    assert.deepEqual(
      [...tls.received, ...open.received].map(({ session }) => session.secure),
      [true, false],
    );
  });

  it('is not sent, nor the password, when the server does not offer the encryption that was asked for', async () => {
    let authenticated = 0;
    const { port, received } = await mailServer({
      disabledCommands: ['STARTTLS'],
      allowInsecureAuth: true,
      onAuth(_auth, _session, done) {
        authenticated += 1;
        done(null, { user: 'anybody' });
      },
    });
    assert.match(await failureOf(mail(port)), /^TM7006 The mail server localhost:\d+ did not take the mail: .*TLS/);
    assert.deepEqual([received.length, authenticated], [0, 0]);
  });

  it('is not sent to a server whose certificate is not trusted, or is that of another', async () => {
    const { port, received } = await mailServer();
    assert.match(await failureOf(mail(port, { ca: [] })), /self-signed certificate/);
    const other = testCertificate('ecdsa-sha256', 'mail.example.com');
    const foreign = await mailServer({ cert: other.cert, key: other.key });
    assert.match(await failureOf(mail(foreign.port, { ca: [other.cert] })), /does not match|altnames/i);
    assert.equal(received.length + foreign.received.length, 0);
  });

  it('with a wrong password is refused with what the server said, and without the password', async () => {
    const { port } = await mailServer();
    const said = await failureOf(mail(port, { password: `${password}!` }));
    assert.match(said, /^TM7006 .*Wrong user or password/);
    const echoing = await mailServer({
      onAuth: (auth, _session, done) => done(new Error(`no ${auth.password ?? ''}`)),
    });
    assert.match(await failureOf(mail(echoing.port)), /no <redacted>/);
  });

  it('that the server refuses for its recipient is an error with what it said', async () => {
    const { port } = await mailServer({ onRcptTo: (_address, _session, done) => done(new Error('No such mailbox')) });
    assert.match(await failureOf(mail(port)), /No such mailbox/);
  });

  it('is given up when the server hangs, and the connection ends', async () => {
    const gone = Promise.withResolvers<void>();
    const silent = createServer((socket) => void socket.once('close', () => gone.resolve()).resume());
    const port = await listening(silent, 'localhost');
    closers.push(() => silent.close());
    assert.match(await failureOf(mail(port, { timeoutMs: 100 })), /does not take the mail within 0\.1 s/);
    await gone.promise;
  });

  for (const [kind, text] of [
    ['empty lines', '\r\n'.repeat(32 * 1024)],
    ['lines of one answer', '220-and so on\r\n'.repeat(4096)],
    ['one line', 'x'.repeat(64 * 1024)],
  ] as const) {
    for (const security of ['none', 'tls'] as const) {
      it(`is given up when the server sends ${kind} for ever (${security}), and the connection ends`, async () => {
        const gone = Promise.withResolvers<void>();
        const flood = (socket: Socket): void => {
          const send = (): void => {
            while (socket.writable && socket.write(text));
          };
          socket.on('drain', send).on('error', () => undefined);
          socket.once('close', () => gone.resolve()).resume();
          send();
        };
        const server = security === 'tls' ? createTlsServer({ cert, key }, flood) : createServer(flood);
        const port = await listening(server, 'localhost');
        closers.push(() => server.close());
        const said = await failureOf(mail(port, { password: undefined }, { security, user: undefined }));
        assert.match(said, /^TM7006 The mail server localhost:\d+ sends more than 64 KiB/);
        await gone.promise;
      });
    }
  }

  it('that nobody would take cannot be sent', async () => {
    const closed = createServer();
    const port = await listening(closed, 'localhost');
    await new Promise((resolve) => closed.close(resolve));
    assert.match(await failureOf(mail(port)), /ECONNREFUSED/);
  });

  it('cannot be made to say something in its headers, whatever VMs and addresses are called', async () => {
    const { port, received } = await mailServer();
    const name = 'sql\r\nBcc: everybody@example.com\r\n\r\n<script>';
    const text = runEndedMail(ended(policyRun([failedVm, vmResult(name, { warnings: [name] })])));
    await sendMail(mail(port, { mail: { ...text, subject: `${text.subject} ${name}` } }));
    const [first] = received;
    assert(first);
    assert.equal(first.session.envelope.rcptTo.length, 1);
    const headers = first.source.slice(0, first.source.indexOf('\r\n\r\n'));
    assert.doesNotMatch(headers, /^Bcc:/im);
    const parsed = parsedByPython(first.source);
    if (parsed !== undefined) {
      assert.equal(parsed.headers['bcc'], undefined);
      assert.equal(parsed.headers['subject']?.length, 1);
      assert.match(parsed.text, /hv01\/sql Bcc: everybody@example\.com <script>/);
    }
    for (const address of [
      'a@b\r\nBcc: x@y',
      'a@b\n',
      'a@b,c@d',
      '<a@b>',
      'Ops <a@b>',
      'a b@c',
      'a@b\u0000',
      'a@b;c',
      'a',
      '',
      `${'a'.repeat(252)}@b.c`,
    ]) {
      assert.equal(isMailAddress(address), false, JSON.stringify(address));
      assert.match(await failureOf(mail(port, { to: address })), /^TM1001/);
    }
    for (const address of ['ops@example.com', "o'brien+x@example.co.uk", 'zażółć@example.com'])
      assert.equal(isMailAddress(address), true, address);
  });
});
