import assert from 'node:assert/strict';
import { test } from 'node:test';

import { checkPolicy, diagnosticCodes, parsePolicy } from '../../../server/policy/index.ts';
import type { PolicyDiagnostic } from '../../../server/policy/index.ts';
import { applyFix, fixtures, goldenFile, goldenFiles, goldenOf } from './fixture.ts';
import type { Marker } from './fixture.ts';

const all = fixtures();

const inOrder = (a: Marker, b: Marker) =>
  a.start - b.start || a.end - b.end || a.code.localeCompare(b.code) || a.message.localeCompare(b.message);

const markerOf = ({ code, severity, message, range, fixes = [] }: PolicyDiagnostic): Marker => ({
  code,
  severity,
  message,
  start: range.start,
  end: range.end,
  fixes: fixes.map(({ title }) => title),
});

for (const fixture of all) {
  test(`${fixture.name}: exactly what the file says is found, where it says`, () => {
    const found = checkPolicy(parsePolicy(fixture.text), fixture.context);
    const shown = (markers: readonly Marker[]) =>
      markers.toSorted(inOrder).map((marker) => ({ ...marker, text: fixture.text.slice(marker.start, marker.end) }));
    assert.deepEqual(shown(found.map(markerOf)), shown(fixture.markers));
  });

  for (const marker of fixture.markers) {
    for (const [index, title] of marker.fixes.entries()) {
      test(`${fixture.name}: ${marker.code}, ${title}`, () => {
        const diagnostic = checkPolicy(parsePolicy(fixture.text), fixture.context).find(
          ({ code, range }) => code === marker.code && range.start === marker.start,
        );
        const fix = diagnostic?.fixes?.[index];
        assert.ok(fix);
        const fixed = applyFix(fixture.text, fix);
        assert.equal(fixed, goldenOf(fixture, marker.code, index));
        const after = checkPolicy(parsePolicy(fixed), fixture.context);
        assert.deepEqual(
          after.filter(({ code, message }) => code === marker.code && message === marker.message),
          [],
        );
        assert.deepEqual(
          after.filter(({ code }) => code === diagnosticCodes.yamlSyntax),
          [],
        );
      });
    }
  }
}

test('Every code has a file that shows it', () => {
  const shown = new Set(all.flatMap(({ markers }) => markers.map(({ code }) => code)));
  for (const code of Object.values(diagnosticCodes)) assert.ok(shown.has(code), code);
});

test('Every file with what a fix makes belongs to a fix', () => {
  const expected = all.flatMap((fixture) =>
    fixture.markers.flatMap(({ code, fixes }) => fixes.map((_, index) => goldenFile(fixture, code, index))),
  );
  assert.deepEqual([...goldenFiles()].sort(), expected.sort());
});

test('Messages are sentences that fit into an editor', () => {
  for (const { markers } of all) {
    for (const { message } of markers) {
      assert.match(message, /^[\p{L}`"].*[.?]$/u);
      assert.ok(message.length < 300, message);
    }
  }
});

/** Fixture, code, and the places that the finding points to: file and text. */
const pointers: readonly (readonly [string, string, readonly string[]])[] = [
  ['duplicate-key', diagnosticCodes.duplicateKey, ['verify']],
  ['window-never-open', diagnosticCodes.windowNeverOpen, ['{ from: "22:00", to: "06:00" }']],
  ['schedule-twice', diagnosticCodes.scheduleTwice, ['"0 12 * * *"']],
  ['duplicate-name', diagnosticCodes.duplicatePolicyName, ['web.yaml web']],
  ['vm-in-two-policies', diagnosticCodes.vmInTwoPolicies, ['nightly.yaml web-*']],
  ['vm-in-two-policies-applied', diagnosticCodes.vmInTwoPolicies, []],
];

for (const [name, code, places] of pointers) {
  test(`${name}: ${code} points to the other place`, () => {
    const fixture = all.find((each) => each.name === name);
    assert.ok(fixture);
    const found = checkPolicy(parsePolicy(fixture.text), fixture.context).find((each) => each.code === code);
    const shown = (found?.related ?? []).map(({ uri, range }) => {
      const other = fixture.context.others.find((each) => each.uri === uri && uri !== undefined);
      const text = (other?.source?.text ?? fixture.text).slice(range.start, range.end);
      return other === undefined ? text : `${other.uri?.split('/').at(-1) ?? ''} ${text}`;
    });
    assert.deepEqual(shown, places);
    for (const { message } of found?.related ?? []) assert.match(message, /\.$/);
  });
}

test('Entries that are due at the same moment are told with a moment that is still to come', () => {
  const entries = (crons: readonly string[]): string => crons.map((cron) => `  - cron: '${cron}'\n`).join('');
  const firstAt = (crons: readonly string[], now: string): string | undefined => {
    const text = `name: a\nrepository: main\ntimezone: UTC\nselect: [{ host: hv01, vms: ['*'] }]\nschedule:\n${entries(crons)}`;
    const context = { now: Date.parse(now), inventory: undefined, others: [] };
    const found = checkPolicy(parsePolicy(text), context).find(({ code }) => code === diagnosticCodes.scheduleTwice);
    return /first at ([^.]*)\./.exec(found?.message ?? '')?.[1];
  };
  const daily = ['0 2 * * *', '0 2 * * SUN'];
  assert.equal(firstAt(daily, '2026-11-29T01:59:00Z'), '2026-11-29 02:00');
  assert.equal(firstAt(daily, '2026-11-29T02:06:00Z'), '2026-12-06 02:00');
  const often = Array.from({ length: 64 }, () => '* * * * *');
  assert.equal(firstAt(often, '2026-11-29T02:50:30Z'), '2026-11-29 02:51');
});
