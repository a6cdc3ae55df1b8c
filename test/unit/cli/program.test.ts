import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

import type { Command } from 'commander';

import { buildProgram, runCli } from '../../../server/cli/program.ts';
import { json, object, optional, string } from '../../../server/protocol/parse.ts';
import { fakeContext } from './fake-terminal.ts';

const errorDocument = object({
  error: object({ code: string(), message: string(), hint: optional(string()) }),
});

/** All commands below one, with the words that call them. */
function commands(command: Command, words: readonly string[] = []): { words: readonly string[]; command: Command }[] {
  return command.commands.flatMap((child) => {
    const path = [...words, child.name()];
    return [{ words: path, command: child }, ...commands(child, path)];
  });
}

const all = commands(buildProgram(fakeContext()));

test('The commands of the contract are there', () => {
  const names = new Set(all.map(({ words }) => words.join(' ')));
  const contract = [
    'demo',
    'agent',
    ...['run', 'start', 'stop', 'status'].map((name) => `daemon ${name}`),
    ...['set', 'show', 'remove', 'test'].map((name) => `daemon smtp ${name}`),
    'daemon webhook test',
    ...['add', 'list', 'test', 'remove'].map((name) => `host ${name}`),
    'vm list',
    ...['init', 'list', 'status', 'verify', 'prune', 'gc'].map((name) => `repo ${name}`),
    ...['validate', 'plan', 'apply', 'list', 'delete', 'history'].map((name) => `policy ${name}`),
    ...['show', 'rollback', 'pause', 'resume'].map((name) => `policy ${name}`),
    'backup run',
    ...['list', 'show', 'cancel', 'watch', 'log', 'report'].map((name) => `run ${name}`),
    ...['list', 'show', 'delete', 'pin', 'unpin'].map((name) => `restore-point ${name}`),
    ...['disk', 'vm'].map((name) => `restore ${name}`),
    ...['init', 'create-vm', 'write', 'load', 'power', 'migrate', 'raw'].map((name) => `sim ${name}`),
  ];
  for (const name of contract) assert.ok(names.has(name), name);
});

test('No help lists an option twice: one of the command hides the global one of that name', () => {
  for (const { words, command } of all) {
    const listed = [...command.helpInformation().matchAll(/^ {2}(?:-\w, )?(--[\w-]+)/gm)].map(([, option]) => option);
    assert.equal(new Set(listed).size, listed.length, `${words.join(' ')}: ${listed.join(' ')}`);
  }
});

test('Every command explains itself: what it does, each argument, and within 80 columns', async () => {
  for (const { words, command } of [{ words: [], command: buildProgram(fakeContext()) }, ...all]) {
    const name = words.join(' ');
    assert.notEqual(command.description(), '', `${name} has a description`);
    for (const argument of command.registeredArguments) {
      assert.notEqual(argument.description, '', `${name} explains ${argument.name()}`);
    }
    for (const option of command.options) assert.notEqual(option.description, '', `${name} explains ${option.flags}`);
    const context = fakeContext();
    assert.equal(await runCli(context, [...words, '--help']), 0);
    assert.equal(context.terminal.errorText, '');
    for (const line of context.terminal.outText.split('\n')) {
      assert.ok(line.length <= 80, `${name}: ${line}`);
    }
    if (words.length === 1) assert.match(context.terminal.outText, /\n(Begin here|Example):\n/, name);
  }
});

test('What was asked for wrongly ends with 2, and says how to get help', async () => {
  const wrong = [
    [],
    ['host'],
    ['nonsense'],
    ['host', 'add', 'name-only'],
    ['backup', 'run', '--nonsense'],
    ['backup', 'run', '--type', 'sometimes'],
    ['host', 'add', 'a', 'http://b', '--threads', '99'],
    ['agent', '--provider', 'simulated'],
    ['vm', 'list', 'one', 'two'],
    ['policy', 'validate'],
    ['policy', 'pause', 'nightly', '--until', 'yesterday'],
    ['policy', 'rollback', 'nightly', 'first'],
  ];
  for (const args of wrong) {
    const context = fakeContext();
    assert.equal(await runCli(context, args), 2, args.join(' '));
    assert.match(context.terminal.errorText, /--help|Usage:/, args.join(' '));
    assert.equal(context.terminal.outText, '');
  }
});

test('With --json an error is one JSON document on stderr, also for wrong usage', async () => {
  const cases: [string[], string][] = [
    [['host', 'add', '--json'], 'TM1002'],
    [['--json'], 'TM1002'],
    [['backup', 'run', '--json'], 'TM1002'],
    [['policy', 'apply', 'x.backup.yaml', '--json'], 'TM1002'],
    [['policy', 'validate', 'x.backup.yaml', '--json', '--format', 'github'], 'TM1002'],
    [['backup', 'run', 'nightly', '--repo', 'main', '--json'], 'TM1002'],
    [['--json', 'run', 'show', 'not-an-id', '--data', join(tmpdir(), 'tidemark-nobody')], 'TM1001'],
  ];
  for (const [args, code] of cases) {
    const context = fakeContext();
    assert.equal(await runCli(context, args), 2, args.join(' '));
    assert.equal(context.terminal.outText, '');
    const { error } = json(context.terminal.errorText, errorDocument, args.join(' '));
    assert.equal(error.code, code, args.join(' '));
    assert.equal(context.terminal.errorText.trimEnd().split('\n').length, 1);
  }
});

test('No command takes a password as an argument or option value', () => {
  for (const { words, command } of all) {
    for (const option of command.options) {
      if (!/password|secret|key/i.test(option.flags) || !/[<[]/.test(option.flags)) continue;
      assert.match(option.flags, /<file>|<program>/, words.join(' '));
    }
  }
});

test('A password file that is missing or empty is an error that names it, and the daemon is not even asked', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tidemark-test-'));
  try {
    const empty = join(folder, 'empty');
    await writeFile(empty, '\n');
    for (const file of [join(folder, 'missing'), empty]) {
      const context = fakeContext();
      const args = ['host', 'add', 'hv01', 'http://127.0.0.1:1', '--password-file', file, '--data', folder];
      assert.equal(await runCli(context, args), 1);
      assert.match(context.terminal.errorText, /TM1003/);
      assert.ok(context.terminal.errorText.includes(file));
    }
    const context = fakeContext();
    assert.equal(await runCli(context, ['host', 'add', 'hv01', 'http://127.0.0.1:1', '--data', folder]), 2);
    assert.match(context.terminal.errorText, /--password-file/);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('Colours are for terminals only', async () => {
  for (const colors of [true, false]) {
    const context = fakeContext({ colors });
    await runCli(context, ['backup', 'run']);
    assert.equal(context.terminal.errorText.includes('\u001B['), colors);
  }
});
