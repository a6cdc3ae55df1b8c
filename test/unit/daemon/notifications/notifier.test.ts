import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it, mock } from 'node:test';

import { lineLogger, silentLogger } from '../../../../server/base/log.ts';
import { Notifier } from '../../../../server/daemon/notifications/notifier.ts';
import { retryDelaysMs } from '../../../../server/daemon/notifications/outbox.ts';
import { PolicyRegistry } from '../../../../server/daemon/policies/registry.ts';
import { SecretStore } from '../../../../server/daemon/secrets.ts';
import { openSqliteStore } from '../../../../server/daemon/store/sqlite.ts';
import type { Store } from '../../../../server/daemon/store/store.ts';
import { parsePolicy } from '../../../../server/policy/index.ts';
import type { RunInfo, SmtpServer } from '../../../../server/protocol/daemon.ts';
import { runId as parseRunId } from '../../../../server/protocol/ids.ts';
import { json, object, optional, string } from '../../../../server/protocol/parse.ts';
import type { Parsed } from '../../../../server/protocol/parse.ts';
import { listening, whole } from '../../../support/servers.ts';
import { failedVm, HandClock, policyRun, runId, vmResult } from './sample.ts';

const smtp: SmtpServer = {
  host: 'mail.example.com',
  port: 587,
  security: 'starttls',
  from: 'backup@example.com',
  user: 'tidemark',
};

const document = object({
  event: string(),
  result: optional(string()),
  run: optional(object({ id: string() })),
});

describe('the notifier', () => {
  let directory: string;
  let store: Store;
  let secrets: SecretStore;
  let policies: PolicyRegistry;
  let notifier: Notifier;
  let clock: HandClock;
  let lines: string[];
  let url: string;
  let got: Parsed<typeof document>[];
  let closeReceiver: () => void;

  const newNotifier = (): Notifier =>
    new Notifier({
      store,
      secrets,
      policies,
      sender: { machine: 'backup01', version: '0.1.0' },
      clock,
      log: lineLogger((line) => lines.push(line)),
    });
  const apply = (notify: string): void => {
    const text = `name: nightly-sql\nrepository: main\nselect:\n  - vms: ['*']\n    host: hv01\n${notify}`;
    const { policy } = parsePolicy(text);
    assert(policy, text);
    policies.apply({ text, policy, by: 'anna@laptop' });
  };
  const end = (run: RunInfo): void => {
    store.insertRun(run, undefined);
    notifier.runEnded(run);
  };
  /** Waits for what the notifier has to say. */
  const told = async (): Promise<void> => {
    for (let turn = 0; turn < 500 && notifier.waiting > 0; turn++)
      await new Promise((resolve) => setTimeout(resolve, 10));
    assert.equal(notifier.waiting, 0);
  };

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'tidemark-notifier-'));
    store = openSqliteStore(join(directory, 'test.db'), silentLogger);
    secrets = await SecretStore.open(directory);
    policies = new PolicyRegistry(store.policies, silentLogger);
    clock = new HandClock();
    lines = [];
    got = [];
    const server = createServer((request, response) => {
      whole(request, 'utf8', (body) => {
        got.push(json(body, document, 'document'));
        response.writeHead(200).end();
      });
    });
    url = `http://127.0.0.1:${await listening(server)}/hook`;
    closeReceiver = () => void server.close();
    notifier = newNotifier();
  });

  afterEach(async () => {
    await notifier.close();
    closeReceiver();
    store[Symbol.dispose]();
    rmSync(directory, { recursive: true, force: true });
  });

  it('tells failures and warnings unless the policy names others', async () => {
    const runs = [policyRun([vmResult('a')]), policyRun([vmResult('b', { warnings: ['w'] })]), policyRun([failedVm])];
    const kinds = async (notify: string): Promise<readonly string[]> => {
      apply(`notify:\n  webhook: ${url}\n${notify}`);
      got.length = 0;
      for (const [index, run] of runs.entries()) {
        const number = policies.get('nightly-sql').version.version;
        const id = parseRunId(`01JNKTVZ00AAAAAAAAAAAAAA${number}${index}`, 'id');
        assert(run.outcome?.kind === 'policy');
        end({ ...run, id, outcome: { ...run.outcome, version: number } });
      }
      await told();
      return got.map(({ result = '' }) => result).toSorted((a, b) => (a < b ? -1 : 1));
    };
    assert.deepEqual(await kinds(''), ['failure', 'warning']);
    assert.deepEqual(await kinds('  on: [success]\n'), ['success']);
    assert.deepEqual(await kinds('  on: [failure, warning, success]\n'), ['failure', 'success', 'warning']);
  });

  it('goes by the version that was carried out, also when the policy was changed or deleted meanwhile', async () => {
    apply(`notify: { webhook: '${url}' }\n`);
    apply('');
    policies.delete('nightly-sql', 'anna@laptop');
    end(policyRun([failedVm]));
    await told();
    assert.deepEqual(
      got.map(({ event, run }) => [event, run?.id]),
      [['policy-run-ended', runId]],
    );
  });

  it('tells the end of a run that an earlier process did not come to tell, once', async () => {
    apply(`notify: { webhook: '${url}' }\n`);
    const stopped = { code: 'TM5103', message: 'The daemon ended.' } as const;
    store.insertRun(policyRun([], { state: 'interrupted', outcome: undefined, error: stopped }), undefined);
    notifier.start();
    await told();
    await notifier.close();
    notifier = newNotifier();
    notifier.start();
    await told();
    assert.deepEqual(
      got.map(({ result }) => result),
      ['failure'],
    );
  });

  it('tells nobody about runs of a policy that is unknown, and about other runs', async () => {
    end(policyRun([failedVm]));
    end({
      ...policyRun([failedVm]),
      id: parseRunId('01JNKTVZ00AAAAAAAAAAAAAAAB', 'id'),
      request: { kind: 'gc', repository: 'main', dryRun: false, now: false },
    });
    assert.equal(notifier.waiting, 0);
    assert.deepEqual(store.notifications.untold(), []);
    assert.match(lines.join('\n'), /Nobody is told how run/);
  });

  it('says what became of messages without the secret of an address', async () => {
    apply(
      `notify:\n  webhook: ${url}/services/T0123456/hunter2?token=hunter22\n  email: [ops@example.com, ops@example.com, boss@example.com]\n`,
    );
    end(policyRun([failedVm]));
    for (let turn = 0; turn < 500 && notifier.waiting > 2; turn++)
      await new Promise((resolve) => setTimeout(resolve, 10));
    const infos = notifier.ofRun(runId);
    assert.deepEqual(
      infos.map(({ channel, target, state, attempts, error }) => [channel, target, state, attempts, error?.message]),
      [
        ['webhook', `${new URL(url).origin}/…`, 'delivered', 1, undefined],
        ['email', 'ops@example.com', 'waiting', 1, 'No mail server is set up.'],
        ['email', 'boss@example.com', 'waiting', 1, 'No mail server is set up.'],
      ],
    );
    assert.doesNotMatch(JSON.stringify(infos) + lines.join('\n'), /hunter22/);
    assert.equal(secrets.redact('POST /hook?token=hunter22'), 'POST /hook<redacted>');
    assert.equal(secrets.redact('POST /hook/services/T0123456/hunter2'), 'POST <redacted>');
  });

  it('tells later what the outbox could not take, as with a disk that is full', async () => {
    apply(`notify: { webhook: '${url}' }\n`);
    const add = mock.method(store.notifications, 'add', () => {
      throw new Error('database or disk is full');
    });
    end(policyRun([failedVm]));
    await clock.advance(retryDelaysMs[0] ?? 0);
    assert.equal(add.mock.callCount(), 2);
    add.mock.restore();
    assert.equal(notifier.waiting, 0);
    await clock.advance(retryDelaysMs[1] ?? 0);
    await told();
    assert.deepEqual(
      got.map(({ run }) => run?.id),
      [runId],
    );
  });

  it('keeps the password of the mail server only for the server and the user it was given for', async () => {
    const { mailServer } = notifier;
    assert.deepEqual(mailServer.get(), { hasPassword: false });
    await assert.rejects(mailServer.set(smtp, undefined), { code: 'TM1001' });
    await mailServer.set(smtp, 'correct horse');
    assert.deepEqual(mailServer.get(), { server: smtp, hasPassword: true });
    await mailServer.set({ ...smtp, port: 465, security: 'tls' }, undefined);
    const { signal } = new AbortController();
    assert.equal((await mailServer.open(signal)).password, 'correct horse');
    for (const other of [{ host: 'evil.example.com' }, { user: 'somebody' }])
      await assert.rejects(mailServer.set({ ...smtp, ...other }, undefined), { code: 'TM1001' });
    assert.deepEqual(mailServer.get().server?.port, 465, 'what was refused has changed nothing');
    await mailServer.set({ ...smtp, host: 'other.example.com', user: undefined }, undefined);
    assert.equal(mailServer.get().hasPassword, false);
    assert.doesNotMatch(readFileSync(join(directory, 'secrets.json'), 'utf8'), /correct horse/);
    await mailServer.set(undefined, undefined);
    assert.deepEqual(mailServer.get(), { hasPassword: false });
    assert.doesNotMatch(readFileSync(join(directory, 'test.db'), 'latin1'), /correct horse/);
  });

  it('refuses a mail server that cannot be, or that would get a password in the clear', async () => {
    const refused: readonly (readonly [Partial<SmtpServer>, string | undefined])[] = [
      [{ from: 'Backup <backup@example.com>' }, 'p'],
      [{ from: 'backup@example.com\r\nBcc: x@y' }, 'p'],
      [{ host: 'mail example' }, 'p'],
      [{ host: 'http://mail.example.com' }, 'p'],
      [{ security: 'none' }, 'p'],
      [{ user: undefined }, 'p'],
    ];
    for (const [change, password] of refused)
      await assert.rejects(notifier.mailServer.set({ ...smtp, ...change }, password), { code: 'TM1001' });
    await notifier.mailServer.set({ ...smtp, host: '127.0.0.1', security: 'none' }, 'p');
    await notifier.mailServer.set({ ...smtp, host: '::1' }, 'p');
  });

  it('sends a test at once, and says what went wrong', async () => {
    const { signal } = new AbortController();
    await notifier.test('webhook', url, signal);
    assert.deepEqual(
      got.map(({ event }) => event),
      ['test'],
    );
    await assert.rejects(notifier.test('webhook', 'nonsense', signal), { code: 'TM1001' });
    await assert.rejects(notifier.test('email', 'a@b, c@d', signal), { code: 'TM1001' });
    await assert.rejects(notifier.test('email', 'ops@example.com', signal), { code: 'TM7006' });
  });
});
