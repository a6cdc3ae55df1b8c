import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { Server } from 'node:net';
import { test } from 'node:test';
import type { TestContext } from 'node:test';

import { SMTPServer } from 'smtp-server';

import { daemonStatus, runInfo, runReport } from '../../../server/protocol/daemon.ts';
import { array, boolean, integer, json, literal, object, optional, string } from '../../../server/protocol/parse.ts';
import { tidemark } from '../acceptance/support/command.ts';
import { listening, whole } from '../../support/servers.ts';
import { Site } from '../acceptance/support/site.ts';

const document = object({
  schema: literal(1),
  id: string(),
  event: string(),
  result: optional(string()),
  counts: optional(object({ total: integer(), succeeded: integer(), failed: integer() })),
  run: optional(object({ id: string(), state: string() })),
});

async function open(t: TestContext, server: Server): Promise<number> {
  t.after(() => server.close());
  return listening(server);
}

/** Waits for something that the daemon does after a run. */
async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  for (let turn = 0; turn < 100; turn++) if (await holds()) return;
  assert.fail(what);
}

test('After a run of a policy a webhook and a mail tell how it ended, the report says whom it told, and the metrics count it', async (t) => {
  const documents: ReturnType<typeof document>[] = [];
  const ids: (string | string[] | undefined)[] = [];
  const receiver = createServer((request, response) => {
    whole(request, 'utf8', (text) => {
      ids.push(request.headers['idempotency-key']);
      documents.push(json(text, document, 'document'));
      response.writeHead(200).end();
    });
  });
  const mails: string[] = [];
  const smtp = new SMTPServer({
    authMethods: ['PLAIN'],
    allowInsecureAuth: true,
    disabledCommands: ['STARTTLS'],
    onAuth: ({ username, password }, _session, done) =>
      username === 'backup' && password === 'correct horse battery staple'
        ? done(null, { user: username })
        : done(new Error('Wrong user or password')),
    onData: (stream, _session, done) => {
      whole(stream, 'latin1', (text) => {
        mails.push(text);
        done();
      });
    },
  });
  const hook = `http://127.0.0.1:${await open(t, receiver)}/hook`;
  const smtpPort = await open(t, smtp.server);

  const site = await Site.make(t);
  const started = await tidemark(['daemon', 'start', '--metrics', '127.0.0.1:0', '--data', site.data, '--json']);
  assert.equal(started.code, 0, started.stderr);
  const { metricsUrl = '' } = json(started.stdout, daemonStatus, 'status');
  assert.match(metricsUrl, /^http:\/\/127\.0\.0\.1:\d+\/metrics$/);
  for (const vm of ['sql01', 'sql02']) {
    if (vm === 'sql01') await site.run(['sim', 'init', site.root('hv01'), '--name', 'hv01']);
    await site.run(['sim', 'create-vm', site.root('hv01'), vm, '--disk', 'os=4MiB']);
  }
  await site.startAgent('hv01');
  await site.connectHost('hv01');
  await site.initRepository();

  await site.fails(['daemon', 'smtp', 'test', 'ops@example.com'], 'notificationFailed');
  const server = ['127.0.0.1', '--port', String(smtpPort), '--security', 'none', '--from', 'backup@example.com'];
  await site.run(['daemon', 'smtp', 'set', ...server, '--user', 'backup', '--password-file', site.passwordFile]);
  const shown = await site.ask(
    ['daemon', 'smtp', 'show'],
    object({ hasPassword: boolean, server: object({ host: string(), port: integer() }) }),
  );
  assert.deepEqual(shown, { hasPassword: true, server: { host: '127.0.0.1', port: smtpPort } });
  await site.run(['daemon', 'smtp', 'test', 'ops@example.com']);
  await site.run(['daemon', 'webhook', 'test', hook]);
  assert.match(mails[0] ?? '', /^Subject: \[Tidemark\] Test of mails\r?$/m);
  assert.equal(documents[0]?.event, 'test');

  const policy = site.newFile('backup.yaml');
  await writeFile(
    policy,
    `name: nightly
repository: main
select: [{ host: hv01, vms: ["sql*"] }]
verify: after-backup
notify:
  on: [failure, warning, success]
  webhook: ${hook}?token=hunter22
  email: [ops@example.com]
`,
  );
  await site.run(['policy', 'apply', policy, '--yes']);
  const { code, stdout, stderr } = await tidemark(['backup', 'run', 'nightly', '--wait', '--data', site.data]);
  assert.equal(code, 0, stdout + stderr);
  const runs = await site.ask(['run', 'list', '--limit', '20'], array(runInfo));
  const { id = '' } = runs.find(({ request }) => request.kind === 'policy') ?? {};
  const report = async () => site.ask(['run', 'report', id], runReport);
  await until('both messages are delivered', async () => {
    const { notifications } = await report();
    return notifications.length === 2 && notifications.every(({ state }) => state === 'delivered');
  });

  const { notifications, children } = await report();
  assert.deepEqual(
    notifications.map(({ channel, target, attempts }) => [channel, target, attempts]),
    [
      ['webhook', `${new URL(hook).origin}/…`, 1],
      ['email', 'ops@example.com', 1],
    ],
  );
  assert.deepEqual(
    children.map(({ request }) => request.kind).filter((kind) => kind !== 'backup'),
    ['verify'],
  );
  assert.equal(documents.length, 2);
  const { run, counts, result, id: messageId } = documents[1] ?? {};
  assert.deepEqual([run?.id, run?.state, result], [id, 'succeeded', 'success']);
  assert.deepEqual(counts, { total: 2, succeeded: 2, failed: 0 });
  assert.deepEqual(ids[1], messageId);
  assert.match(mails[1] ?? '', /^Subject: \[Tidemark\] nightly succeeded: 2 VMs\r?$/m);

  const page = await tidemark(['run', 'report', id, '--data', site.data]);
  assert.match(page.stdout, /^# nightly succeeded: 2 VMs\n/);
  assert.match(page.stdout, /\| hv01\/sql01 \| succeeded \| .*\n\| hv01\/sql02 \| succeeded \|/);
  assert.match(page.stdout, /## Verification\n\n- 2 restore points checked, .* read: no damage\n/);

  const answer = await fetch(metricsUrl);
  const text = await answer.text();
  assert.equal(answer.status, 200);
  assert.match(text, /^tidemark_policy_last_run_result\{policy="nightly",result="success"\} 1$/m);
  assert.match(
    text,
    /^tidemark_vm_last_success_timestamp_seconds\{vm="sql01",host="hv01",policy="nightly",repository="main",vm_id="[0-9A-F-]{36}"\} \d+(\.\d+)?$/m,
  );
  assert.match(text, /^tidemark_runs_total\{kind="verify",state="succeeded"\} 1$/m);

  const log = await readFile(json(started.stdout, daemonStatus, 'status').logFile, 'utf8');
  assert.match(log, /Delivered the message about run/);
  assert.doesNotMatch(log + page.stdout, /hunter22|correct horse/);
  await site.run(['daemon', 'smtp', 'remove']);
  await site.fails(['daemon', 'smtp', 'test', 'ops@example.com'], 'notificationFailed');
});

test('A daemon that dies in a run of a policy tells at its next start that the run was interrupted', async (t) => {
  const told: ReturnType<typeof document>[] = [];
  const receiver = createServer((request, response) => {
    whole(request, 'utf8', (text) => {
      told.push(json(text, document, 'document'));
      response.writeHead(200).end();
    });
  });
  const hook = `http://127.0.0.1:${await open(t, receiver)}/hook`;
  const site = await Site.withVm(t, '4MiB');
  const policy = site.newFile('backup.yaml');
  const text = `name: nightly\nrepository: main\nselect: [{ host: hv01, vms: [web] }]\nnotify: { webhook: '${hook}' }\n`;
  await writeFile(policy, text);
  await site.run(['policy', 'apply', policy, '--yes']);
  await site.run(['daemon', 'stop']);
  const daemon = await site.startDaemon({ failpoint: 'backup.7-durable' });
  const died = daemon.exitCode === null ? once(daemon, 'exit') : Promise.resolve();
  await tidemark(['backup', 'run', 'nightly', '--data', site.data]);
  await died;
  assert.equal(told.length, 0);
  await site.run(['daemon', 'start']);
  const runs = await site.ask(['run', 'list'], array(runInfo));
  const interrupted = runs.find(({ request }) => request.kind === 'policy');
  await until('it is told', async () => {
    const { notifications } = await site.ask(['run', 'report', interrupted?.id ?? ''], runReport);
    return notifications.length === 1 && notifications[0]?.state === 'delivered';
  });
  assert.deepEqual(
    told.map(({ result, run }) => [result, run?.state, run?.id]),
    [['failure', 'interrupted', interrupted?.id]],
  );
});

test('A daemon that cannot offer the metrics it was told to offer does not start; one that only finds them in its environment does', async (t) => {
  const site = await Site.make(t);
  const port = await open(t, createServer());
  const address = `127.0.0.1:${port}`;
  const refused = await tidemark(['daemon', 'run', '--metrics', address, '--data', site.data]);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /Metrics cannot be offered at 127\.0\.0\.1:\d+: another program listens there/);
  const started = await tidemark(['daemon', 'start', '--metrics', address, '--data', site.data]);
  assert.equal(started.code, 1);
  assert.match(
    started.stderr.replace(/\s+/g, ' '),
    /^tidemark: The daemon could not be started\. Metrics cannot be offered at [\d.:]+: another program listens there\. \(TM5004\) Choose another port, or stop the program that uses it\. $/,
  );
  const wrong = await tidemark(['daemon', 'start', '--metrics', 'nonsense', '--data', site.data]);
  assert.equal(wrong.code, 2);
  for (const value of [address, 'nonsense']) {
    const status = await tidemark(['daemon', 'start', '--data', site.data, '--json'], { TIDEMARK_METRICS: value });
    assert.equal(status.code, 0, status.stderr);
    assert.equal(json(status.stdout, daemonStatus, 'status').metricsUrl, undefined);
    await site.run(['daemon', 'stop']);
  }
  const free = await tidemark(['host', 'list', '--data', site.data], { TIDEMARK_METRICS: '0' });
  assert.equal(free.code, 0, free.stderr);
  const { metricsUrl } = await site.ask(['daemon', 'status'], daemonStatus);
  assert.match(metricsUrl ?? '', /^http:\/\/127\.0\.0\.1:\d+\/metrics$/);
});
