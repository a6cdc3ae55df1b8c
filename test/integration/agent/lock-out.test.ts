/** Guessing the password of a real agent: slowed, counted, locked out, and nobody else is kept out. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import { test } from 'node:test';
import type { TestContext } from 'node:test';

import type { AuditEvent } from '../../../server/agent/audit.ts';
import type { GateClock } from '../../../server/base/connection-gate.ts';
import { errorCodes, TidemarkError } from '../../../server/protocol/errors.ts';
import { fakeHost } from '../../support/fake-provider.ts';
import { agentFor, code, connectTo } from './support.ts';
import type { TestAgent } from './support.ts';

/** Time that passes only when somebody waits, and says for how long they did. */
class PatientClock implements GateClock {
  #now = 0;
  readonly waits: number[] = [];
  readonly now = (): number => this.#now;
  readonly sleep = async (ms: number): Promise<void> => {
    this.waits.push(ms);
    this.#now += ms;
  };

  pass(ms: number): void {
    this.#now += ms;
  }
}

const control = 'GET /tidemark/control HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tidemark-control\r\n\r\n';

function request(number: number, method: string, message: string): string {
  const body = JSON.stringify({ jsonrpc: '2.0', id: number, method: `tidemark/auth/${method}`, params: { message } });
  return `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
}

/** One guess from `localAddress`: a proof that is as good as a wrong password's. Gives the whole answer. */
async function guess(agent: TestAgent, localAddress: string): Promise<string> {
  const { port } = new URL(agent.url);
  const socket = connect({ port: Number(port), host: '127.0.0.1', localAddress });
  socket.on('error', () => undefined);
  let answer = '';
  let proved = false;
  socket.setEncoding('utf8');
  socket.write(control + request(1, 'scramFirst', 'n,,n=x,r=mine'));
  for await (const text of socket) {
    answer += String(text);
    const nonce = /r=(mine[^,]+),s=/.exec(answer)?.[1];
    if (nonce !== undefined && !proved) {
      proved = true;
      socket.write(request(2, 'scramFinal', `c=biws,r=${nonce},p=${randomBytes(32).toString('base64')}`));
    }
    if (/"id":2/.test(answer)) break;
  }
  socket.destroy();
  return answer;
}

interface Guarded {
  readonly agent: TestAgent;
  readonly clock: PatientClock;
  readonly events: readonly AuditEvent[];
}

/** An agent for which one address of this computer is a stranger's. */
async function guarded(context: TestContext): Promise<Guarded> {
  const clock = new PatientClock();
  const events: AuditEvent[] = [];
  const agent = await agentFor(context, fakeHost(), {
    timing: { clock },
    lockOut: { exempt: (address) => !address.endsWith('127.0.0.9') },
    audit: { note: (event) => events.push(event) },
  });
  return { agent, clock, events };
}

const attacker = '127.0.0.9';
const linuxOnly = { skip: process.platform === 'linux' ? false : 'only Linux has all of 127.0.0.0/8' };

test(
  '1,000 wrong passwords: slowed, locked out, logged, never through; the owner gets in at once',
  linuxOnly,
  async (context) => {
    const { agent, clock, events } = await guarded(context);
    let refusedFor = 0;
    for (let wrong = 0; wrong < 1000;) {
      const answer = await guess(agent, attacker);
      const retry = /^HTTP\/1\.1 429 [^]*Retry-After: (\d+)/i.exec(answer)?.[1];
      if (retry === undefined) {
        assert.match(answer, /TM2002/);
        assert.doesNotMatch(answer, /sessionId/);
        wrong += 1;
        continue;
      }
      refusedFor += Number(retry);
      clock.pass(Number(retry) * 1000);
    }
    assert.deepEqual(clock.waits.slice(0, 5), [1000, 2000, 4000, 8000, 8000]);
    assert.equal(clock.waits.length, 1000);
    // Five are free; after that an hour for each, but for the first six.
    assert.ok(refusedFor > 980 * 3600, `refused for ${refusedFor} s in all`);
    const waitsBefore = clock.waits.length;
    await connectTo(context, agent.url);
    assert.equal(clock.waits.length, waitsBefore);
    const lines = agent.log.filter((line) => line.includes(attacker));
    assert.ok(lines.length > 10 && lines.length < 150, `${lines.length} lines`);
    assert.equal(new Set(lines).size, lines.length);
    await agent.close();
    const counted = events.filter(({ address }) => address === attacker).at(-1);
    assert.equal(counted?.['failures'], 1000);
    assert.equal(counted?.['refused'], 995);
  },
);

test(
  'an address that is locked out is refused even with the right password, and the daemon says so',
  linuxOnly,
  async (context) => {
    const clock = new PatientClock();
    const agent = await agentFor(context, fakeHost(), { timing: { clock }, lockOut: { exempt: () => false } });
    const open = await connectTo(context, agent.url);
    for (let wrong = 0; wrong < 5; wrong++) {
      await assert.rejects(
        connectTo(context, agent.url, { password: 'x' }),
        code(errorCodes.agentAuthenticationFailed),
      );
    }
    await assert.rejects(connectTo(context, agent.url), (error) => {
      assert.ok(TidemarkError.is(error, errorCodes.agentLockedOut));
      assert.match(error.message, /refuses this computer for \d+ (s|min)/);
      return true;
    });
    assert.ok(!open.closed.aborted, 'a session that is open stays');
    clock.pass(60_000);
    await connectTo(context, agent.url);
    assert.ok(agent.log.some((line) => line.includes('wrong password from 127.0.0.1: 5 in a row')));
  },
);

test(
  'connections that were opened before the lock-out do not get more guesses out of it',
  linuxOnly,
  async (context) => {
    const { agent } = await guarded(context);
    const answers = await Promise.all(Array.from({ length: 30 }, async () => guess(agent, attacker)));
    const count = (pattern: RegExp): number => answers.filter((answer) => pattern.test(answer)).length;
    assert.equal(count(/TM2002/), 5);
    assert.equal(count(/TM2007|^HTTP\/1\.1 429/), 25);
  },
);

test('this computer itself is slowed down and never locked out', async (context) => {
  const clock = new PatientClock();
  const agent = await agentFor(context, fakeHost(), { timing: { clock } });
  for (let wrong = 0; wrong < 40; wrong++) assert.match(await guess(agent, '127.0.0.1'), /TM2002/);
  assert.equal(clock.waits.at(-1), 8000);
  await connectTo(context, agent.url);
});
