import assert from 'node:assert/strict';
import { test } from 'node:test';

import * as fc from 'fast-check';

import {
  hostNameProblem,
  isUnencrypted,
  normalUrl,
  suggestedHostName,
  threadsProblem,
  urlProblem,
} from '../../../../client/commands/flows/host-input.ts';
import { parseAgentUrl } from '../../../../server/daemon/agent-client/dial.ts';

const known = [
  { name: 'hv01', url: 'https://hv01.example:8440' },
  { name: 'hv02', url: 'http://10.0.0.2:9000' },
];

test('An address that the daemon would refuse is refused while it is typed, and no other', () => {
  const texts = [
    '',
    'https://',
    'hv01',
    'ftp://hv01',
    'https://u:p@hv01',
    'https://hv01/x',
    'https://hv01?x',
    'https://hv01#x',
  ];
  for (const text of [...texts, 'https://hv01', 'https://hv01/', 'http://[::1]:80', 'https://hv01:443']) {
    let accepted = true;
    try {
      parseAgentUrl(text);
    } catch {
      accepted = false;
    }
    assert.equal(urlProblem(text, []) === undefined, accepted, text);
  }
});

test('An address that another host has is refused, whether or not the port is written out', () => {
  assert.match(urlProblem('https://HV01.example', known) ?? '', /hv01/);
  assert.match(urlProblem(' http://10.0.0.2:9000/ ', known) ?? '', /hv02/);
  assert.equal(urlProblem('https://hv01.example:443', known), undefined);
  assert.equal(urlProblem('https://hv01.example', known, 'hv01'), undefined, 'its own address may stay');
});

test('The port of the scheme itself is kept apart from the port of agents', () => {
  assert.equal(normalUrl('https://a'), 'https://a:8440');
  assert.equal(normalUrl('https://a:443'), 'https://a:443');
  assert.equal(normalUrl('http://a:80'), 'http://a:80');
});

test('The name proposed for any address that is accepted is accepted itself', () => {
  fc.assert(
    fc.property(fc.webUrl({ validSchemes: ['https', 'http'] }), (text) => {
      const url = new URL(text).origin;
      if (urlProblem(url, known) !== undefined) return;
      assert.equal(hostNameProblem(suggestedHostName(url, known), known), undefined, url);
    }),
  );
  assert.equal(suggestedHostName('https://hv01.corp.example', []), 'hv01');
  assert.equal(suggestedHostName('https://hv01.corp.example', known), 'hv01-2');
  assert.equal(suggestedHostName('https://10.0.0.7:8440', known), '10.0.0.7');
  assert.equal(hostNameProblem(suggestedHostName('https://[fe80::1]:8440', known), known), undefined);
});

test('A name that is taken, too long or odd is refused', () => {
  for (const name of ['hv01', '', '-a', 'a b', 'a'.repeat(65), 'a/b']) assert.ok(hostNameProblem(name, known), name);
});

test('Threads are whole numbers from 1 to 16', () => {
  for (const text of ['1', '2', '16', ' 4 ']) assert.equal(threadsProblem(text), undefined, text);
  for (const text of ['', '0', '17', '-1', '2.5', 'two', '1e1', '0x2']) assert.ok(threadsProblem(text), text);
});

test('Plain http is told apart from https', () => {
  assert.equal(isUnencrypted('HTTP://a'), true);
  assert.equal(isUnencrypted('https://a'), false);
});
