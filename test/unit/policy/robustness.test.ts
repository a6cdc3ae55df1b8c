import assert from 'node:assert/strict';
import { test } from 'node:test';

import * as fc from 'fast-check';

import { checkPolicy, decodePolicy, diagnosticCodes, parsePolicy } from '../../../server/policy/index.ts';
import type { PolicyDiagnostic, TextRange } from '../../../server/policy/index.ts';
import { TidemarkError } from '../../../server/protocol/errors.ts';
import { contractExample } from './contract.ts';
import { applyFix, fixtures } from './fixture.ts';
import { now, world } from './world.ts';

const samples = [
  ...fixtures()
    .map(({ text }) => text)
    .filter((text) => text.length < 4096),
  contractExample,
];
const others = samples.slice(0, 20).map((text, index) => {
  const source = parsePolicy(text);
  return { uri: `file:///${index}`, draft: source.draft, source };
});

const check = (text: string, inventory = true): readonly PolicyDiagnostic[] =>
  checkPolicy(parsePolicy(text), { now, inventory: inventory ? world : undefined, others });

function assertSound(text: string): void {
  const within = ({ start, end }: TextRange) => assert.ok(0 <= start && start <= end && end <= text.length);
  const { text: kept, diagnostics, policy, draft } = parsePolicy(text);
  assert.equal(kept, text);
  const refused = diagnostics.some(({ severity }) => severity === 'error');
  assert.equal(policy === undefined, refused);
  if (policy !== undefined) assert.equal(policy, draft);
  for (const inventory of [true, false]) {
    for (const diagnostic of check(text, inventory)) {
      within(diagnostic.range);
      for (const related of diagnostic.related ?? []) if (related.uri === undefined) within(related.range);
      for (const { edits } of diagnostic.fixes ?? []) {
        const sorted = edits.toSorted((a, b) => a.range.start - b.range.start);
        for (const [index, { range }] of sorted.entries()) {
          within(range);
          assert.ok((sorted[index - 1]?.range.end ?? 0) <= range.start, 'edits overlap');
        }
      }
    }
  }
}

/** What YAML and policies are made of. */
const token = fc.constantFrom(
  '- ',
  '? ',
  ': ',
  '[',
  ']',
  '{',
  '}',
  ', ',
  '\n',
  '\r\n',
  '\n  ',
  '\n    ',
  '\t',
  ' ',
  '#',
  ' # c\n',
  '"',
  "'",
  '|',
  '>',
  '|+\n',
  '&a ',
  '*a',
  '*',
  '!',
  '!!str ',
  '<<: ',
  '---\n',
  '...\n',
  '%YAML 1.2\n',
  '\\',
  '\0',
  '\uFEFF',
  '\uD800',
  '\uDC00',
  '\uFFFD',
  '\u2028',
  '\u{1F600}',
  '~',
  'null',
  'true',
  '@',
  '`',
  '%',
  'name: a',
  'repository: main',
  'select:',
  'host: hv01',
  'vms:',
  'vms: [sql-*]',
  'exclude: [a]',
  'schedule:',
  'cron: "0 2 * * *"',
  'cron: "*/7 2 31 2 MON"',
  'timezone: UTC',
  'window: { from: "22:00", to: "22:00" }',
  'retention:',
  'keepDaily: 1',
  'keepYearly: 0',
  'verify: weekly',
  'notify: { webhook: http://a }',
  'a',
  '0',
  '-1',
  '1e9',
  '"x"',
);
const soup = (max: number) => fc.array(token, { maxLength: max }).map((tokens) => tokens.join(''));

/** A policy in which some characters or lines were changed. */
const mutated = fc
  .tuple(
    fc.constantFrom(...samples),
    fc.array(fc.tuple(fc.nat(), fc.nat(12), fc.oneof(token, fc.string({ unit: 'binary', maxLength: 4 }))), {
      maxLength: 4,
    }),
  )
  .map(([text, changes]) =>
    changes.reduce((result, [at, length, put]) => {
      const start = at % (result.length + 1);
      return result.slice(0, start) + put + result.slice(start + length);
    }, text),
  );

test('No text makes the parser or a rule throw, and everything found is within the text', () => {
  fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 200 }), assertSound), { numRuns: 300 });
  fc.assert(fc.property(soup(60), assertSound), { numRuns: 1000 });
  fc.assert(fc.property(mutated, assertSound), { numRuns: 1000 });
});

const notYaml: ReadonlySet<string> = new Set([
  diagnosticCodes.notText,
  diagnosticCodes.yamlSyntax,
  diagnosticCodes.yamlFeature,
  diagnosticCodes.severalDocuments,
  diagnosticCodes.tabIndent,
]);

test('No fix makes YAML of a policy something else', () => {
  let applied = 0;
  fc.assert(
    fc.property(mutated, (text) => {
      const found = check(text);
      if (found.some(({ code }) => notYaml.has(code))) return;
      for (const fix of found.flatMap(({ fixes = [] }) => fixes)) {
        const fixed = applyFix(text, fix);
        applied += 1;
        const broken = parsePolicy(fixed).diagnostics.filter(({ code }) => code === diagnosticCodes.yamlSyntax);
        assert.deepEqual(broken, [], `${fix.title}\n${fixed}`);
      }
    }),
    { numRuns: 1000 },
  );
  assert.ok(applied > 300, `${applied} fixes`);
});

let day = 0;

/**
 * The shortest of some tries, in ms of processor time: what other programs do at the time does not count. Each try is on another day, so that nothing
 * is remembered of the one before.
 */
function costOf(text: string): number {
  let least = Infinity;
  for (let attempt = 0; attempt < 8 && least >= 100; attempt++) {
    day += 1;
    const before = process.threadCpuUsage();
    checkPolicy(parsePolicy(text), { now: now + day * 86_400_000, inventory: world, others });
    const { user, system } = process.threadCpuUsage(before);
    least = Math.min(least, (user + system) / 1000);
  }
  return least;
}

const repeated = (line: string) => `${line.slice(0, 100)}\n`.repeat(500);
const floods: Readonly<Record<string, string>> = {
  brackets: repeated('[]'.repeat(50)),
  commas: `[${repeated(','.repeat(100))}`,
  'open brackets': repeated('- ? : [ {'.repeat(11)),
  dashes: repeated('- '.repeat(50)),
  stars: repeated('*a '.repeat(33)),
  anchors: repeated('&a '.repeat(33)),
  tags: repeated('!a '.repeat(33)),
  quotes: repeated('"" '.repeat(33)),
  'an open quote': `a: "${repeated('x\\n'.repeat(33))}`,
  colons: repeated('a: b: c'),
  'mixed blocks': repeated('- a\nb: c'),
  'one key': repeated('verify: weekly'),
  'many keys': Array.from({ length: 500 }, (_, index) => `key-${index}: {}\n`).join(''),
  documents: repeated('---'),
  comments: repeated('#'.repeat(100)),
  tabs: repeated('\t'.repeat(100)),
  stairs: Array.from({ length: 500 }, (_, index) => `${' '.repeat(index % 60)}a:\n`).join(''),
  'long lines': `${'x'.repeat(500)}\n`.repeat(500),
  'wrong names': `name: a\nrepository: b\nselect:\n  - host: hv01\n    vms:\n${'      - slq-001\n'.repeat(495)}`,
  'wrong schedules': `name: a\nrepository: b\nschedule:\n${'  - cron: "0 2 31 4 *"\n'.repeat(497)}`,
  patterns: `name: a\nrepository: b\nselect:\n${'  - { host: "*", vms: ["*a*", "?*", sql-*], exclude: ["*b*"] }\n'.repeat(200)}`,
  schedules: `name: a\nrepository: b\nselect: [{ host: hv01, vms: ["*"] }]\nschedule:\n${Array.from({ length: 64 }, (_, index) => `  - cron: "${index % 60} */5 * * MON-SAT"\n`).join('')}`,
};

for (const [name, text] of Object.entries(floods)) {
  test(`A file of 500 lines costs less than 100 ms: ${name}`, () => {
    const cost = costOf(text);
    assert.ok(cost < 100, `${cost} ms`);
  });
}

test('A file of 500 lines costs less than 100 ms, whatever is in it', () => {
  const lines = (line: fc.Arbitrary<string>) =>
    fc.array(line, { minLength: 1, maxLength: 8 }).map((some) => {
      const all = some.flatMap((each) => each.split('\n')).map((each) => each.slice(0, 200));
      return Array.from({ length: 500 }, (_, index) => all[index % all.length] ?? '').join('\n');
    });
  const text = fc.oneof(lines(soup(40)), lines(fc.constantFrom(...samples)), lines(mutated));
  fc.assert(
    fc.property(text, (many) => {
      const cost = costOf(many);
      assert.ok(cost < 100, `${cost} ms`);
    }),
    { numRuns: 150 },
  );
});

const codesOf = (text: string) => [...new Set(parsePolicy(text).diagnostics.map(({ code }) => code))];

test('A YAML bomb is refused for its first anchor, and costs nothing', () => {
  const levels = Array.from(
    { length: 30 },
    (_, index) => `l${index + 1}: &l${index + 1} [${`*l${index}, `.repeat(9)}*l${index}]`,
  );
  const bomb = `l0: &l0 [lol]\n${levels.join('\n')}\n`;
  assert.deepEqual(codesOf(bomb), [diagnosticCodes.yamlFeature]);
  assert.ok(costOf(bomb) < 100);
});

test('A file of 10 MB is refused by its size, before it is read', () => {
  const text = `name: a\n${'# x\n'.repeat(2_500_000)}`;
  assert.deepEqual(codesOf(text), [diagnosticCodes.fileTooLarge]);
  assert.ok(costOf(text) < 100);
  assert.throws(
    () => decodePolicy(Buffer.alloc(10 << 20, 'x'), 'big.backup.yaml'),
    (error) => error instanceof TidemarkError && error.code === 'TM7001' && /larger than 256 KiB/.test(error.message),
  );
});

test('A file of more words than a policy has is refused', () => {
  const list = (count: number) =>
    `name: a\nrepository: b\nselect:\n${Array.from({ length: count / 1000 }, () => `  - { host: a, vms: [${'vm, '.repeat(999)}vm] }\n`).join('')}`;
  assert.deepEqual(codesOf(list(6000)), []);
  assert.deepEqual(codesOf(list(12_000)), [diagnosticCodes.fileTooLarge]);
});

test('Bytes that are not UTF-8 are refused; half a character in an editor is marked', () => {
  assert.throws(
    () => decodePolicy(Uint8Array.of(0x6e, 0x61, 0xff, 0xfe), 'a.backup.yaml'),
    (error) => error instanceof TidemarkError && error.code === 'TM7001' && /not UTF-8/.test(error.message),
  );
  assert.equal(decodePolicy(Uint8Array.of(0xef, 0xbb, 0xbf, 0x61), 'a.backup.yaml'), 'a');
  const text = 'name: a\n# \uD800\n';
  const [found] = parsePolicy(text).diagnostics;
  assert.equal(found?.code, diagnosticCodes.notText);
  assert.deepEqual(found?.range, { start: 10, end: 11 });
});

test('Characters that nobody sees, and ends of lines that only some programs take for such, are marked', () => {
  for (const character of ['\0', '\u0007', '\u001B', '\u007F', '\r']) {
    const [found, ...more] = parsePolicy(`name: a\n# ${character}x\n`).diagnostics;
    assert.deepEqual([found?.code, found?.range, more], [diagnosticCodes.notText, { start: 10, end: 11 }, []]);
  }
  assert.deepEqual(parsePolicy(contractExample.replaceAll('\n', '\r\n').replaceAll('  #', '\t#')).diagnostics, []);
});

test('Keys such as __proto__ are unknown keys and nothing more', () => {
  const { diagnostics, draft } = parsePolicy(`${contractExample}__proto__: { name: x }\nconstructor: 1\n`);
  assert.deepEqual(
    diagnostics.map(({ code }) => code),
    [diagnosticCodes.unknownKey, diagnosticCodes.unknownKey],
  );
  assert.equal(draft.name, 'nightly-sql');
});
