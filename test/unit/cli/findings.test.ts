import assert from 'node:assert/strict';
import { test } from 'node:test';

import * as fc from 'fast-check';

import { findingsAsCommands, findingsText } from '../../../server/cli/findings.ts';
import type { FileFinding } from '../../../server/cli/findings.ts';
import { printable } from '../../../server/cli/printable.ts';
import { fakeContext } from './fake-terminal.ts';

const finding: FileFinding = {
  code: 'TM7107',
  severity: 'error',
  message: 'There is no key "repositry" in a policy.',
  start: { line: 1, character: 0 },
  end: { line: 1, character: 9 },
};
const file = { file: 'a.backup.yaml', text: 'name: a\nrepositry: main\n', findings: [finding] };

test('A finding is one line as compilers print it, and with its source the place is marked', () => {
  const head = 'a.backup.yaml:2:1: error TM7107 There is no key "repositry" in a policy.\n';
  assert.equal(findingsText(fakeContext(), file, false), head);
  const marked = `${head}  2 | repositry: main\n    | ^^^^^^^^^\n`;
  assert.equal(findingsText(fakeContext(), file, true), marked);
});

test('Other places that a finding is about follow it', () => {
  const related = [{ file: 'b.backup.yaml', line: 4, character: 6, message: 'It is here too.' }];
  const text = findingsText(fakeContext(), { ...file, findings: [{ ...finding, related }] }, false);
  assert.match(text, /\n {2}b\.backup\.yaml:5:7: note: It is here too\.\n$/);
});

test('The mark stands below its place also in a long line, behind a tab, and over the end of the line', () => {
  const cases = [
    { text: `${'x'.repeat(300)}HERE${'y'.repeat(300)}`, start: 300, end: 304 },
    { text: '\tHERE', start: 1, end: 5 },
    { text: 'name: HERE', start: 6, end: 10 },
  ];
  for (const { text, start, end } of cases) {
    const one = { ...finding, start: { line: 0, character: start }, end: { line: 0, character: end } };
    const lines = findingsText(fakeContext(), { ...file, text, findings: [one] }, true).split('\n');
    const [, source = '', mark = ''] = lines;
    assert.ok(source.length <= 80, source);
    assert.equal(source.slice(mark.indexOf('^'), mark.lastIndexOf('^') + 1), 'HERE');
  }
  const several = { ...finding, start: { line: 0, character: 2 }, end: { line: 1, character: 4 } };
  assert.match(findingsText(fakeContext(), { ...file, findings: [several] }, true), /\n {4}\| {3}\^{5}\n$/);
});

test('What a file holds cannot command the terminal, nor add a workflow command', () => {
  const evil = fc.string({ unit: fc.constantFrom('\u001B', '\n', '\r', ':', ',', '%', 'a', '\u202E', '::error ') });
  fc.assert(
    fc.property(evil, evil, (message, name) => {
      const hostile = { file: `${name}.yaml`, text: `${message}\n`, findings: [{ ...finding, message }] };
      const text = findingsText(fakeContext(), hostile, false);
      assert.equal(text.split('\n').length, 2);
      assert.equal(text.trimEnd(), printable(text.trimEnd()));
      const command = findingsAsCommands(hostile);
      assert.equal(command.split(/[\r\n]/).length, 2);
      assert.match(command, /^::error file=[^:,\r\n]*,line=2,col=1,endLine=2,endColumn=10,title=TM7107::/);
    }),
  );
});

test('Workflow commands are written as GitHub reads them', () => {
  const message = '100% of it:\nnothing, really';
  assert.equal(
    findingsAsCommands({ ...file, file: 'C:\\policies\\a,b.yaml', findings: [{ ...finding, message }] }),
    '::error file=C%3A/policies/a%2Cb.yaml,line=2,col=1,endLine=2,endColumn=10,title=TM7107::100%25 of it:%0Anothing, really\n',
  );
  const several = { ...finding, severity: 'information', end: { line: 3, character: 1 } } as const;
  // GitHub refuses columns for more than one line.
  assert.match(
    findingsAsCommands({ ...file, findings: [several] }),
    /^::notice file=a\.backup\.yaml,line=2,endLine=4,title=TM7107::/,
  );
});
