/**
 * Writes l10n/bundle.l10n.json, the texts that a translator starts from: `npm run l10n`. It holds the first argument of every
 * `l10n.t` call of the client, as VS Code looks texts up. Translations lose what is used no more; what they lack is printed. A unit
 * test finds out when that was forgotten.
 */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

import { json, record, string } from '../../server/protocol/parse.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Where the English texts lie. */
export const bundleFile = join(root, 'l10n/bundle.l10n.json');

/** What the sources say: every text once, and the calls whose text cannot be read, as `file:line`. */
export interface ClientTexts {
  readonly texts: readonly string[];
  readonly unreadable: readonly string[];
}

const call = /\bl10n\s*\.\s*t\(/g;
const literal = /^\s*(?:'((?:[^'\\\n]|\\.)*)'|"((?:[^"\\\n]|\\.)*)"|`((?:[^`\\$]|\\.|\$(?!\{))*)`)\s*[,)]/s;
const comment = /^\s*(?:\/\/|\/?\*)/;
/** The composition root hands every text of `client/base/l10n.ts` on. */
const passedOn = /^message, \.\.\.args\)/;

/** Reads every source file of the client. */
export async function clientTexts(): Promise<ClientTexts> {
  const texts = new Set<string>();
  const unreadable: string[] = [];
  for (const file of await sources()) {
    const source = await readFile(file, 'utf8');
    for (const match of source.matchAll(call)) {
      const before = source.slice(0, match.index);
      if (comment.test(before.slice(before.lastIndexOf('\n') + 1))) continue;
      const rest = source.slice(match.index + match[0].length);
      if (passedOn.test(rest)) continue;
      const text = textOf(rest);
      if (text === undefined) unreadable.push(`${relative(root, file)}:${before.split('\n').length}`);
      else texts.add(text);
    }
  }
  return { texts: [...texts].sort(), unreadable };
}

/** The content of the bundle for `texts`. */
export function bundleOf(texts: readonly string[]): string {
  return `${JSON.stringify(Object.fromEntries(texts.map((text) => [text, text])), undefined, 2)}\n`;
}

async function sources(): Promise<readonly string[]> {
  const files = await readdir(join(root, 'client'), { recursive: true });
  return files
    .filter((file) => file.endsWith('.ts'))
    .sort()
    .map((file) => join(root, 'client', file));
}

/** The text literal that `rest` begins with; undefined for anything that only exists at run time. */
function textOf(rest: string): string | undefined {
  const match = literal.exec(rest);
  const raw = match?.[1] ?? match?.[2] ?? match?.[3];
  return raw?.replace(/\\(?:u\{([0-9a-f]+)\}|u([0-9a-f]{4})|(.))/gis, (_, long?: string, short?: string, char = '') => {
    const code = long ?? short;
    if (code !== undefined) return String.fromCodePoint(Number.parseInt(code, 16));
    return char === 'n' ? '\n' : char === 't' ? '\t' : String(char);
  });
}

/** Puts the texts of a translation into the order of `texts`, without those that nobody uses any more; gives those that it lacks. */
async function updateTranslation(file: string, texts: readonly string[]): Promise<readonly string[]> {
  const translated = json(await readFile(file, 'utf8'), record(string({ maxLength: 8192 })), file);
  const kept = texts.flatMap((text) => {
    const translation = translated[text];
    return translation === undefined ? [] : [[text, translation] as const];
  });
  await writeFile(file, `${JSON.stringify(Object.fromEntries(kept), undefined, 2)}\n`);
  return texts.filter((text) => translated[text] === undefined);
}

async function main(): Promise<void> {
  const { texts, unreadable } = await clientTexts();
  if (unreadable.length > 0) throw new Error(`Not a text literal: ${unreadable.join(', ')}`);
  await writeFile(bundleFile, bundleOf(texts));
  const folder = dirname(bundleFile);
  for (const name of await readdir(folder)) {
    if (name === basename(bundleFile)) continue;
    for (const text of await updateTranslation(join(folder, name), texts)) {
      console.error(`${name} lacks ${JSON.stringify(text)}`);
      process.exitCode = 1;
    }
  }
}

if (import.meta.main) await main();
