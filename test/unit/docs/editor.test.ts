import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { array, json, object, record, string } from '../../../server/protocol/parse.ts';
import type { Parser } from '../../../server/protocol/parse.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const read = (file: string): string => readFileSync(join(root, file), 'utf8');

const anything: Parser<unknown> = (value) => value;
const manifest = json(
  read('package.json'),
  object({
    contributes: object({
      commands: array(object({ title: string() })),
      configuration: object({ properties: record(object({ default: anything, scope: string() })) }),
    }),
  }),
  'package.json',
);
const texts = json(read('package.nls.json'), record(string({ maxLength: 8192 })), 'package.nls.json');

/** The cells of every table row of a section, which begins with its heading and ends with the next one of that level. */
function rows(heading: string): readonly (readonly string[])[] {
  const section = read('docs/editor.md').split(`\n## ${heading}\n`)[1]?.split('\n## ')[0] ?? '';
  return section
    .split('\n')
    .filter((line) => line.startsWith('| ') && !/^\| (?:---|command|setting) /.test(line))
    .map((line) => line.slice(2, -2).split(' | '));
}

test('The editor guide lists every command once, by the title it has in the palette', () => {
  const titles = manifest.contributes.commands.map(({ title }) => texts[title.slice(1, -1)] ?? '');
  assert.deepEqual(
    rows('Commands')
      .map(([title = '']) => title)
      .sort(),
    titles.sort(),
  );
});

test('The editor guide lists every setting with its default and scope', () => {
  const settings = Object.entries(manifest.contributes.configuration.properties);
  assert.deepEqual(
    rows('Settings').map((row) => row.slice(0, 3)),
    settings.map(([id, { default: value, scope }]) => [`\`${id}\``, `\`${JSON.stringify(value)}\``, scope]),
  );
});
