import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { runCli } from '../../../server/cli/program.ts';
import { array, boolean, integer, json, object, string } from '../../../server/protocol/parse.ts';
import { fakeContext } from './fake-terminal.ts';

const good = (name: string): string => `name: ${name}
repository: main
select:
  - host: hv01
    vms: [sql*]
schedule:
  - cron: "0 4 * * *"
    timezone: Europe/Warsaw
`;

let folder = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tidemark-test-'));
});
after(() => rm(folder, { recursive: true }));

/** Writes files into an empty folder of their own and gives its path. */
async function files(contents: Readonly<Record<string, string | Uint8Array>>): Promise<string> {
  const directory = await mkdtemp(join(folder, 'case-'));
  for (const [name, content] of Object.entries(contents)) {
    await mkdir(join(directory, name, '..'), { recursive: true });
    await writeFile(join(directory, name), content);
  }
  return directory;
}

async function validate(...args: string[]): Promise<{ code: number; out: string; error: string }> {
  const context = fakeContext();
  const data = join(folder, 'nobody-serves-this');
  const code = await runCli(context, [
    'policy',
    'validate',
    ...args,
    ...(args.includes('--offline') ? [] : ['--data', data]),
  ]);
  return { code, out: context.terminal.outText, error: context.terminal.errorText };
}

test('A valid policy ends with 0 and says so; without a daemon it is said once that names were not checked', async () => {
  const directory = await files({ 'a.backup.yaml': good('a'), 'deep/er/b.backup.yaml': good('b') });
  const one = await validate(join(directory, 'a.backup.yaml'), '--offline');
  assert.deepEqual(one, { code: 0, out: 'The policy is valid.\n', error: '' });
  const both = await validate(directory);
  assert.deepEqual([both.code, both.out], [0, '2 policies are valid.\n']);
  assert.match(both.error, /^note: names of hosts, VMs and repositories were not checked\. No daemon serves .*\n$/);
});

test('Errors end with 1, in every format, with places counted from 1', async () => {
  const directory = await files({ 'bad.backup.yaml': good('bad').replace('repository', 'repositry') });
  const file = join(directory, 'bad.backup.yaml');
  const text = await validate(file, '--offline');
  assert.equal(text.code, 1);
  assert.match(text.out, /bad\.backup\.yaml:2:1: error TM7107 .*"repository"/);
  assert.match(text.error, /^tidemark: 2 errors in .*bad\.backup\.yaml\. \(TM7001\)\n/);

  const github = await validate(file, '--offline', '--format', 'github');
  assert.equal(github.code, 1);
  assert.match(github.out, /^::error file=[^,]*bad\.backup\.yaml,line=2,col=1,endLine=2,endColumn=10,title=TM7107::/m);

  const finding = object({
    code: string(),
    severity: string(),
    message: string(),
    line: integer(1),
    column: integer(1),
  });
  const document = object({
    errors: integer(),
    warnings: integer(),
    namesChecked: boolean,
    files: array(object({ file: string(), errors: integer(), findings: array(finding) })),
  });
  for (const asJson of [['--json'], ['--format', 'json']]) {
    const result = await validate(file, '--offline', ...asJson);
    assert.equal(result.code, 1);
    const { errors, namesChecked, files: all } = json(result.out, document, 'validate');
    assert.deepEqual([errors, namesChecked, all.length, all[0]?.errors], [2, false, 1, 2]);
    assert.ok(all[0]?.findings.some(({ code, line, column }) => code === 'TM7107' && line === 2 && column === 1));
  }
});

test('What cannot be read ends with 2 and is named; what could be read is checked all the same', async () => {
  const directory = await files({ 'bad.backup.yaml': 'name: Bad\n', 'empty/readme.txt': 'nothing' });
  const missing = join(directory, 'missing.backup.yaml');
  const result = await validate(join(directory, 'bad.backup.yaml'), missing, join(directory, 'empty'), '--offline');
  assert.equal(result.code, 2);
  assert.match(result.out, /error TM7108/);
  assert.ok(result.error.includes(`${missing} is not there.`));
  assert.match(result.error, /empty holds no file named \*\.backup\.yaml\./);
});

test('A file that is too large, or no text, is an error with a place', async () => {
  const directory = await files({
    'large.backup.yaml': Buffer.alloc(10 * 1024 * 1024, 'a'),
    'latin1.backup.yaml': Buffer.from('name: a\ndescription: Gr\xFCn\nrepository: main\n', 'latin1'),
    'binary.backup.yaml': Buffer.from(Array.from({ length: 4096 }, (_, index) => (index * 37) % 256)),
  });
  const { code, out } = await validate(directory, '--offline');
  assert.equal(code, 1);
  assert.match(out, /large\.backup\.yaml:1:1: error TM7102 .*256 KiB/);
  assert.match(out, /latin1\.backup\.yaml:2:16: error TM7103 .*UTF-8/);
  assert.equal(out.trimEnd().split('\n').length, 3, out);
});

test('In a folder only policy files count, each once; hidden folders, packages and links are left out', async () => {
  const directory = await files({
    'a.backup.yaml': good('a'),
    'a.yaml': 'not: a policy',
    '.git/b.backup.yaml': 'broken',
    'node_modules/c.backup.yaml': 'broken',
  });
  await symlink(directory, join(directory, 'again'));
  const { code, out } = await validate(directory, join(directory, 'a.backup.yaml'), directory, '--offline');
  assert.deepEqual([code, out], [0, 'The policy is valid.\n']);
});
