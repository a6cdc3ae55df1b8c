import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';

import { Ajv } from 'ajv';
import * as fc from 'fast-check';
import { parse } from 'yaml';

import { parsePolicy, policyJsonSchema } from '../../../server/policy/index.ts';
import { policySchemaFile, policySchemaText } from '../../support/policy-schema-file.ts';
import { contractExample } from './contract.ts';

/** `enumDescriptions` is a word of VS Code, not of JSON Schema. */
const judge = () => new Ajv({ strict: true, keywords: ['enumDescriptions'] });
const accepts = judge().compile(policyJsonSchema());

test('The schema in the repository is the one that the policy model gives: npm run schema', async () => {
  assert.equal(await readFile(policySchemaFile, 'utf8'), policySchemaText());
});

test('The example of the format is a policy, for the schema and for the parser', () => {
  assert.ok(accepts(parse(contractExample)), JSON.stringify(accepts.errors));
  const { policy, diagnostics } = parsePolicy(contractExample);
  assert.deepEqual(diagnostics, []);
  assert.equal(policy?.name, 'nightly-sql');
});

interface Part {
  readonly path: string;
  readonly schema: Readonly<Record<string, unknown>>;
}

function* partsOf(schema: unknown, path: string): Generator<Part> {
  if (typeof schema !== 'object' || schema === null) return;
  const own = new Map<string, unknown>(Object.entries(schema));
  yield { path, schema: Object.fromEntries(own) };
  yield* partsOf(own.get('items'), `${path}[]`);
  for (const [key, value] of Object.entries(own.get('properties') ?? {})) yield* partsOf(value, `${path}.${key}`);
}

const parts = [...partsOf(policyJsonSchema(), 'policy')];

test('Every key has a description, which hover and completion show', () => {
  assert.ok(parts.length > 40);
  for (const { path, schema } of parts) assert.match(JSON.stringify(schema['description']), /^"\p{Lu}.*\."$/su, path);
});

test('What the schema gives as an example or as a default is allowed by it', () => {
  for (const { path, schema } of parts) {
    const { $schema: _, $id: __, ...rest } = schema;
    const own = judge().compile(rest);
    const examples: readonly unknown[] = Object.values(schema['examples'] ?? {});
    for (const value of 'default' in schema ? [...examples, schema['default']] : examples)
      assert.ok(own(value), `${path}: ${JSON.stringify(value)} ${JSON.stringify(own.errors)}`);
  }
});

/** What a key may hold: valid; refused by both; refused by the parser alone, since JSON Schema has no words for it. */
interface Pool {
  readonly good: readonly unknown[];
  readonly bad: readonly unknown[];
  readonly parserOnly?: readonly unknown[];
}

const notTexts = [1, true, null, [], {}, ''];
const notNumbers = ['3', 2.5, -1, true, null, [1], 1e9];
const words = (...good: readonly string[]): Pool => ({
  good,
  bad: [...notTexts, 'nothing-such', good[0]?.toUpperCase()],
});
const timezones: Pool = {
  good: ['Europe/Warsaw', 'UTC', 'Asia/Kathmandu'],
  bad: [...notTexts, 'x'.repeat(65)],
  parserOnly: ['Europe/Warsow', '+01:00'],
};
const counts: Pool = { good: [0, 1, 14, 100_000], bad: notNumbers };
const times: Pool = { good: ['22:00', '6:30', '06:00', '23:59'], bad: [...notTexts, '24:00', '6', '12:60', '6:0'] };
const durations: Pool = {
  good: ['90s', '10m', '2h', '1 h'],
  bad: [...notTexts, 'soon', '10', '10 min', '-1m'],
  parserOnly: ['30d'],
};

interface Drawn {
  readonly value: unknown;
  /** Whether a value is in it that only the parser can refuse. */
  readonly parserOnly: boolean;
}

const draw = ({ good, bad, parserOnly = [] }: Pool): fc.Arbitrary<Drawn> =>
  fc.oneof(
    { weight: 40, arbitrary: fc.constantFrom(...good).map((value) => ({ value, parserOnly: false })) },
    { weight: 1, arbitrary: fc.constantFrom(...bad).map((value) => ({ value, parserOnly: false })) },
    ...(parserOnly.length === 0
      ? []
      : [{ weight: 1, arbitrary: fc.constantFrom(...parserOnly).map((value) => ({ value, parserOnly: true })) }]),
  );

const rarely = (arbitrary: fc.Arbitrary<Drawn>, otherwise: unknown): fc.Arbitrary<Drawn> =>
  fc.oneof({ weight: 60, arbitrary }, { weight: 1, arbitrary: fc.constant({ value: otherwise, parserOnly: false }) });

function listOf(item: fc.Arbitrary<Drawn>): fc.Arbitrary<Drawn> {
  const list = fc.array(item, { minLength: 1, maxLength: 3 }).map((items) => ({
    value: items.map(({ value }) => value),
    parserOnly: items.some(({ parserOnly }) => parserOnly),
  }));
  return rarely(list, []);
}

function mappingOf(
  fields: Readonly<Record<string, fc.Arbitrary<Drawn>>>,
  needed: readonly string[],
): fc.Arbitrary<Drawn> {
  const entries = Object.entries(fields).map(([key, arbitrary]) => {
    const absent = fc.constant(undefined);
    const weight = needed.includes(key) ? 60 : 2;
    return fc.oneof({ weight, arbitrary }, { weight: 1, arbitrary: absent }).map((drawn) => ({ key, drawn }));
  });
  const surprise = fc.oneof(
    { weight: 60, arbitrary: fc.constant(undefined) },
    { weight: 1, arbitrary: fc.constant({ key: 'nonsense', drawn: { value: 1, parserOnly: false } }) },
  );
  return fc.tuple(surprise, ...entries).map((all) => {
    const present = all.flatMap((entry) => (entry?.drawn === undefined ? [] : [[entry.key, entry.drawn] as const]));
    return {
      value: Object.fromEntries(present.map(([key, { value }]) => [key, value])),
      parserOnly: present.some(([, { parserOnly }]) => parserOnly),
    };
  });
}

const names: Pool = { good: ['sql-*', '*', 'dc01', '2024', 'true', 'a name'], bad: [...notTexts, 'x'.repeat(257)] };

const documents = mappingOf(
  {
    name: draw({ good: ['a', 'nightly-sql', '7'], bad: [...notTexts, 'Nightly', '-a', 'a-', 'a b', 'a'.repeat(65)] }),
    description: draw({ good: ['For people: 100 %', 'x'], bad: [...notTexts, 'x'.repeat(1025)] }),
    repository: draw({ good: ['main', 'B.2_c'], bad: [...notTexts, '-a', 'a b', 'ä'] }),
    timezone: draw(timezones),
    select: listOf(
      rarely(
        mappingOf({ host: draw(names), vms: listOf(draw(names)), exclude: listOf(draw(names)) }, ['host', 'vms']),
        'hv01',
      ),
    ),
    disks: mappingOf({ exclude: listOf(draw({ good: ['scratch*', 'a'], bad: [...notTexts, 'x'.repeat(129)] })) }, []),
    consistency: draw(words('application', 'crash', 'application-or-crash')),
    schedule: listOf(
      mappingOf(
        {
          cron: draw({
            good: ['0 2 * * *', '@daily', '0 3 L * *', '*/15 * * * MON-FRI', '0 1 1 * FRI#2'],
            bad: [...notTexts, 'x'.repeat(129)],
            parserOnly: ['every day', '60 * * * *', '0 0 2 * * *', '* * *'],
          }),
          timezone: draw(timezones),
          type: draw(words('incremental', 'full')),
          jitter: draw({ ...durations, good: ['0s', '15m', '12h'] }),
        },
        ['cron'],
      ),
    ),
    missedRuns: draw(words('once', 'skip')),
    overlap: draw(words('wait', 'skip')),
    window: mappingOf({ from: draw(times), to: draw(times) }, ['from', 'to']),
    export: mappingOf(
      {
        threads: draw({ good: [1, 16], bad: [...notNumbers, 0, 17] }),
        bandwidth: draw({
          good: ['200MiB/s', '1.5GiB/s', '64kib/s', '100M/s', '70000/s', '70000B/s', '1 g / s', ' 1GiB/s'],
          bad: [...notTexts, '200', '200MiB', 'fast', '5iB/s', '1GG/s'],
          parserOnly: ['1KiB/s', '0MiB/s', '0.3B/s'],
        }),
      },
      [],
    ),
    concurrency: mappingOf(
      { total: draw({ good: [1, 64], bad: [...notNumbers, 0, 65] }), perHost: draw({ good: [1], bad: [0, 65] }) },
      [],
    ),
    retention: mappingOf({ keepLast: draw(counts), keepHourly: draw(counts), keepYearly: draw(counts) }, []),
    retry: mappingOf(
      {
        attempts: draw({ good: [0, 20], bad: [...notNumbers, 21] }),
        delay: draw({ ...durations, parserOnly: ['30d', '0s', '25h'] }),
      },
      [],
    ),
    verify: draw(words('never', 'after-backup', 'weekly')),
    notify: mappingOf(
      {
        on: listOf(draw(words('failure', 'warning', 'success'))),
        webhook: draw({
          good: ['https://ops.example/hook', 'HTTP://localhost:8080'],
          bad: [...notTexts, 'ftp://ops.example', 'ops.example'],
          parserOnly: ['https://', 'https://user:secret@ops.example/'],
        }),
        email: listOf(draw({ good: ['a@b.example'], bad: [...notTexts, 'a', 'a@b@c', 'a b@c'] })),
      },
      [],
    ),
  },
  ['name', 'repository', 'select'],
);

test('Schema and parser agree on every policy, as far as JSON Schema has words for it', () => {
  const seen = { both: 0, neither: 0, parserOnly: 0 };
  fc.assert(
    fc.property(documents, ({ value, parserOnly }) => {
      const text = JSON.stringify(value, undefined, 1);
      const source = parsePolicy(text);
      const parsed = source.policy !== undefined;
      const accepted = accepts(value);
      const say = () => `${text}\n${JSON.stringify(source.diagnostics)}\n${JSON.stringify(accepts.errors)}`;
      if (parsed) assert.ok(accepted, `only the parser takes ${say()}`);
      if (accepted && !parsed) assert.ok(parserOnly, `only the schema takes ${say()}`);
      assert.equal(
        parsed,
        source.diagnostics.every(({ severity }) => severity !== 'error'),
        say(),
      );
      if (!accepted) seen.neither += 1;
      else if (parsed) seen.both += 1;
      else seen.parserOnly += 1;
    }),
    { numRuns: 2000 },
  );
  for (const [kind, count] of Object.entries(seen)) assert.ok(count > 20, `${kind}: ${count}`);
});
