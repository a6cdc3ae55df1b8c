import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request } from 'node:http';
import { connect } from 'node:net';
import { hostname } from 'node:os';
import { afterEach, describe, it } from 'node:test';

import { silentLogger } from '../../../../server/base/log.ts';
import { listenForMetrics, parseMetricsAddress } from '../../../../server/daemon/metrics/listen.ts';
import type { MetricsListener } from '../../../../server/daemon/metrics/listen.ts';

const open: MetricsListener[] = [];
afterEach(() => {
  for (const listener of open.splice(0)) listener.close();
});

async function listen(text: () => string = () => 'tidemark_up 1\n', address = '127.0.0.1:0'): Promise<URL> {
  const listener = await listenForMetrics(parseMetricsAddress(address), text, silentLogger);
  open.push(listener);
  return new URL(listener.url);
}

interface Answer {
  readonly status: number | undefined;
  readonly type: string | undefined;
  readonly body: string;
}

async function ask(url: URL, options: { method?: string; path?: string; host?: string } = {}): Promise<Answer> {
  const { method = 'GET', path = '/metrics', host = url.host } = options;
  const sent = request({ host: '127.0.0.1', port: url.port, method, path, headers: { Host: host }, agent: false });
  const answered = Promise.withResolvers<Answer>();
  sent.on('error', answered.reject);
  sent.on('response', (response) => {
    let body = '';
    response.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
    response.on('end', () =>
      answered.resolve({ status: response.statusCode, type: response.headers['content-type'], body }),
    );
  });
  sent.end();
  return answered.promise;
}

describe('the port for metrics', () => {
  it('answers GET /metrics with the document and its type', async () => {
    const url = await listen();
    assert.equal(url.pathname, '/metrics');
    const expected = { status: 200, type: 'text/plain; version=0.0.4; charset=utf-8', body: 'tidemark_up 1\n' };
    assert.deepEqual(await ask(url), expected);
    assert.deepEqual(await ask(url, { path: '/metrics?x=1' }), expected);
  });

  it('answers nothing else', async () => {
    const url = await listen();
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) assert.equal((await ask(url, { method })).status, 405);
    for (const path of [
      '/',
      '/metrics/',
      '/metrics/../etc/passwd',
      '//metrics',
      '/METRICS',
      'http://evil.example/metrics',
    ])
      assert.equal((await ask(url, { path })).status, 404, path);
  });

  it('refuses names that others may have given this machine', async () => {
    const url = await listen();
    for (const host of [
      'evil.example',
      `evil.example:${url.port}`,
      '127.0.0.1.evil.example',
      'localhost.evil.example',
      '10.0.0.1',
      '[::2]',
      'localhost@evil',
      hostname().includes('localhost') ? 'x.example' : hostname(),
    ])
      assert.equal((await ask(url, { host })).status, 403, host);
    for (const host of [
      'localhost',
      `LOCALHOST:${url.port}`,
      '127.0.0.1',
      '127.1.2.3:80',
      '[::1]',
      `[::1]:${url.port}`,
    ])
      assert.equal((await ask(url, { host })).status, 200, host);
  });

  it('that is open to others on purpose also answers to addresses and to the name of the machine', async () => {
    const url = await listen(undefined, '0.0.0.0:0');
    const own = hostname();
    for (const host of ['10.0.0.1', own, `${own.toUpperCase()}:9464`, `${own}.corp.example`, 'localhost'])
      assert.equal((await ask(url, { host })).status, 200, host);
    for (const host of ['evil.example', `x${own}`]) assert.equal((await ask(url, { host })).status, 403, host);
  });

  it('says that something went wrong, and not what', async () => {
    const url = await listen(() => {
      throw new Error('secret');
    });
    const { status, body } = await ask(url);
    assert.equal(status, 500);
    assert.doesNotMatch(body, /secret/);
    assert.equal((await ask(url)).status, 500, 'it goes on');
  });

  it('ends connections that are no HTTP, and goes on', async () => {
    const url = await listen();
    const socket = connect(Number(url.port), '127.0.0.1');
    socket.write('\u0016\u0003\u0001 nonsense\r\n\r\n');
    await once(socket.resume(), 'close');
    const large = connect(Number(url.port), '127.0.0.1');
    large.on('error', () => undefined);
    large.write(`GET /metrics HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`);
    await once(large.resume(), 'close');
    assert.equal((await ask(url)).status, 200);
  });

  it('cannot be one that another program has', async () => {
    const url = await listen();
    const taken = listenForMetrics({ host: '127.0.0.1', port: Number(url.port) }, () => '', silentLogger);
    await assert.rejects(taken, { code: 'TM5004' });
  });

  it('is of this machine only unless another address is named', () => {
    assert.deepEqual(parseMetricsAddress('9464'), { host: '127.0.0.1', port: 9464 });
    assert.deepEqual(parseMetricsAddress(':9464'), { host: '127.0.0.1', port: 9464 });
    assert.deepEqual(parseMetricsAddress('localhost:0'), { host: 'localhost', port: 0 });
    assert.deepEqual(parseMetricsAddress('0.0.0.0:9464'), { host: '0.0.0.0', port: 9464 });
    assert.deepEqual(parseMetricsAddress('[::1]:9464'), { host: '::1', port: 9464 });
    for (const text of [
      '',
      'x',
      '127.0.0.1',
      '127.0.0.1:',
      '127.0.0.1:65536',
      'http://127.0.0.1:9464',
      '::1:9464',
      '[nonsense]:1',
      'a b:1',
      '1:2:3',
    ])
      assert.throws(() => parseMetricsAddress(text), { code: 'TM1002' }, text);
  });
});
