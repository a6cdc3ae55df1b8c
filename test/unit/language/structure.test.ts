import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import type { DocumentSymbol, SelectionRange } from 'vscode-languageserver';

import { documentSymbols, foldingRanges, selectionRanges } from '../../../server/language/structure.ts';
import { contractExample } from '../policy/contract.ts';
import { documentOf, withCursor } from './support.ts';

describe('the outline', () => {
  it('has the keys of the policy, and under lists what their entries are about', () => {
    const lines = (symbols: readonly DocumentSymbol[], indent = ''): readonly string[] =>
      symbols.flatMap(({ name, detail, children = [] }) => [
        `${indent}${name}${detail === undefined || detail === '' ? '' : `: ${detail}`}`,
        ...lines(children, `${indent}  `),
      ]);
    const outline = lines(documentSymbols(documentOf(contractExample)));
    assert.deepEqual(outline.slice(0, 10), [
      'name: nightly-sql',
      'description: SQL servers, every night',
      'repository: main',
      'select',
      '  hv01: sql-*',
      'disks',
      'consistency: application-or-crash',
      'schedule',
      '  0 2 * * MON-SAT: at 02:00 from Monday to Saturday',
      '  0 2 * * SUN: at 02:00 on Sunday',
    ]);
  });

  it('has ranges in which the names lie', () => {
    const check = (symbols: readonly DocumentSymbol[]): void => {
      for (const { range, selectionRange, children = [] } of symbols) {
        assert.ok(range.start.line <= selectionRange.start.line && range.end.line >= selectionRange.end.line);
        check(children);
      }
    };
    check(documentSymbols(documentOf('? \n: x\n"": y\nselect:\n  - a: 1\n  - [b]\n  -\n')));
    check(documentSymbols(documentOf(contractExample)));
  });
});

describe('folding', () => {
  it('folds what goes over several lines, without the empty lines behind it', () => {
    const text = '# one\n# two\nname: x\nselect:\n  - host: a\n    vms:\n      - b\n\nretention:\n  keepLast: 1\n';
    assert.deepEqual(
      foldingRanges(documentOf(text)).map(({ startLine, endLine, kind }) => [startLine, endLine, kind]),
      [
        [3, 6, undefined],
        [4, 6, undefined],
        [5, 6, undefined],
        [8, 9, undefined],
        [0, 1, 'comment'],
      ],
    );
  });
});

describe('selection', () => {
  it('grows from the word to its entry and to the file', () => {
    const { document, position } = withCursor('name: x\nselect:\n  - host: a\n    vms: [b|c]\n');
    const [selection] = selectionRanges(document, [position]);
    const texts: string[] = [];
    for (let at: SelectionRange | undefined = selection; at !== undefined; at = at.parent) {
      texts.push(document.text.getText(at.range));
    }
    assert.deepEqual(
      texts.filter((text, index) => text !== texts[index - 1]),
      [
        'bc',
        '[bc]',
        'vms: [bc]',
        'host: a\n    vms: [bc]',
        '- host: a\n    vms: [bc]',
        'select:\n  - host: a\n    vms: [bc]',
        'name: x\nselect:\n  - host: a\n    vms: [bc]',
        'name: x\nselect:\n  - host: a\n    vms: [bc]\n',
      ],
    );
  });
});
