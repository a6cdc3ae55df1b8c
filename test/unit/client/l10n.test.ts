import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { bundleFile, bundleOf, clientTexts } from '../../support/l10n-bundle.ts';
import { record, string } from '../../../server/protocol/parse.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const read = (file: string): Readonly<Record<string, string>> =>
  record(string({ maxLength: 8192 }))(JSON.parse(readFileSync(join(root, file), 'utf8')), file);

/** What a translation must keep: places for values, links, names of settings and commands, icons, code. */
const fixedParts = (text: string): readonly string[] =>
  (text.match(/\{\w+\}|\]\([^)]+\)|`[^`]+`|\$\([\w~-]+\)/g) ?? []).sort();

const languagesOf = (folder: string, pattern: RegExp): readonly string[] =>
  readdirSync(join(root, folder)).flatMap((file) => pattern.exec(file)?.[1] ?? []);

function compare(english: Readonly<Record<string, string>>, file: string): void {
  const translated = read(file);
  assert.deepEqual(Object.keys(translated).sort(), Object.keys(english).sort(), file);
  for (const [key, text] of Object.entries(english))
    assert.deepEqual(fixedParts(translated[key] ?? ''), fixedParts(text), `${file}: ${key}`);
}

test('Every text of the editor is written where it is used', async () => {
  assert.deepEqual((await clientTexts()).unreadable, []);
});

test('The bundle of texts is in step with the sources (npm run l10n writes it)', async () => {
  assert.equal(readFileSync(bundleFile, 'utf8'), bundleOf((await clientTexts()).texts));
});

test('A translated bundle has every text of the editor, with the same places for values', () => {
  const languages = languagesOf('l10n', /^bundle\.l10n\.([\w-]+)\.json$/);
  assert.ok(languages.includes('de'));
  for (const language of languages) compare(read('l10n/bundle.l10n.json'), `l10n/bundle.l10n.${language}.json`);
});

test('A translated manifest has every text of the manifest, with the same links, icons and names', () => {
  const languages = languagesOf('.', /^package\.nls\.([\w-]+)\.json$/);
  assert.ok(languages.includes('de'));
  for (const language of languages) compare(read('package.nls.json'), `package.nls.${language}.json`);
});
