/**
 * Fixtures: policy files with what is found in them, in comments below the line it is found in.
 *
 *     - host: hv1
 *     #       ^^^ TM7301 warning: There is no host "hv1". Is "hv01" meant?
 *     #       fix: Change to "hv01"
 *
 * `#<--` marks from the first column on, as many characters as it has, `#!` one. `until='text'` behind the severity: the range ends with that text. `#: inventory none` or `told`, `#: other FILE`, `#: applied FILE` and
 * `#: pad BYTES` set the scene. All of these lines are taken out before the text is parsed.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { parsePolicy } from '../../../server/policy/index.ts';
import type { Fix, OtherPolicy, RuleContext } from '../../../server/policy/index.ts';
import { now, told, world } from './world.ts';

const folder = fileURLToPath(new URL('fixtures', import.meta.url));

/** A finding as a fixture has it. */
export interface Marker {
  readonly code: string;
  readonly severity: string;
  readonly message: string;
  readonly start: number;
  readonly end: number;
  readonly fixes: readonly string[];
}

/** A policy file and what is to be found in it. */
export interface Fixture {
  readonly name: string;
  readonly text: string;
  readonly context: RuleContext;
  readonly markers: readonly Marker[];
}

const markerLine = /^( *)#( *\^+|<-*|!) (TM\d+) (error|warning|information)(?: until='([^']*)')?: (.*)$/;
const fixLine = /^ *# *fix: (.*)$/;
const directiveLine = /^#: (\w+) (\S+)$/;

/** All fixtures, by name. */
export function fixtures(): readonly Fixture[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.backup.yaml'))
    .map((name) => parseFixture(name.replace('.backup.yaml', ''), readFileSync(join(folder, name), 'utf8')));
}

/** What a fix makes of the fixture: the file beside it. */
export function goldenOf(fixture: Fixture, code: string, fix: number): string {
  return readFileSync(goldenFile(fixture, code, fix), 'utf8');
}

export function goldenFile(fixture: Fixture, code: string, fix: number): string {
  return join(folder, `${fixture.name}.${code}-${fix + 1}.fixed.yaml`);
}

/** Names of all files beside the fixtures that hold what fixes make. */
export function goldenFiles(): readonly string[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.fixed.yaml'))
    .map((name) => join(folder, name));
}

/** The text after a fix. */
export function applyFix(text: string, fix: Fix): string {
  let result = text;
  for (const { range, text: replacement } of fix.edits.toSorted((a, b) => b.range.start - a.range.start))
    result = result.slice(0, range.start) + replacement + result.slice(range.end);
  return result;
}

function parseFixture(name: string, raw: string): Fixture {
  const kept: string[] = [];
  const marks: {
    readonly at: number;
    readonly length: number;
    readonly groups: readonly string[];
    readonly fixes: string[];
  }[] = [];
  const others: OtherPolicy[] = [];
  let inventory: RuleContext['inventory'] = world;
  let padding = 0;
  let length = 0;
  let lineStart = 0;
  for (const line of raw.split('\n')) {
    const content = line.replace(/\r$/, '');
    const [, indent = '', carets = '', ...groups] = markerLine.exec(content) ?? [];
    const [, fix] = fixLine.exec(content) ?? [];
    const [, directive, value = ''] = directiveLine.exec(content) ?? [];
    if (groups.length > 0) {
      const first = carets.indexOf('^');
      const column = first < 0 ? 0 : indent.length + 1 + first;
      const marked = first >= 0 ? carets.trimStart().length : carets === '!' ? 1 : carets.length + 1;
      marks.push({ at: lineStart + column, length: marked, groups, fixes: [] });
    } else if (fix !== undefined) marks.at(-1)?.fixes.push(fix);
    else if (directive === 'inventory') inventory = value === 'none' ? undefined : told;
    else if (directive === 'other' || directive === 'applied') others.push(otherPolicy(value, directive === 'applied'));
    else if (directive === 'pad') padding = Number(value);
    else {
      lineStart = length;
      length += line.length + 1;
      kept.push(line);
    }
  }
  const text = kept.join('\n') + (padding === 0 ? '' : `#${'-'.repeat(padding)}\n`);
  return {
    name,
    text,
    context: { now, inventory, others },
    markers: marks.map(({ at, length: marked, groups, fixes }) => {
      const [code = '', severity = '', until, message = ''] = groups;
      const end = until === undefined ? at + marked : text.indexOf(until, at) + until.length;
      return { code, severity, message, start: at, end, fixes };
    }),
  };
}

function otherPolicy(file: string, onlyApplied: boolean): OtherPolicy {
  const source = parsePolicy(readFileSync(join(folder, 'others', file), 'utf8'));
  return onlyApplied ? { draft: source.draft } : { uri: `file:///policies/${file}`, draft: source.draft, source };
}
