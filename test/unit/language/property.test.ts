/** No input makes a feature fail or take long. Time is CPU time, best of several: machines that run tests are shared. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import * as fc from 'fast-check';
import type { Position } from 'vscode-languageserver';

import { codeActions } from '../../../server/language/code-actions.ts';
import { complete } from '../../../server/language/completion/complete.ts';
import { diagnosticsOf } from '../../../server/language/diagnostics.ts';
import { policyDocument } from '../../../server/language/document.ts';
import type { PolicyDocument } from '../../../server/language/document.ts';
import { format, formatText } from '../../../server/language/format/format.ts';
import { hover } from '../../../server/language/hover/hover.ts';
import { inlayHints } from '../../../server/language/inlay-hints.ts';
import { codeLenses } from '../../../server/language/lenses.ts';
import { prepareRename } from '../../../server/language/rename.ts';
import { documentSymbols, foldingRanges, selectionRanges } from '../../../server/language/structure.ts';
import { tokensOf } from '../../../server/language/syntax/tokens.ts';
import { checkPolicy, parsePolicy } from '../../../server/policy/index.ts';
import { contractExample } from '../policy/contract.ts';
import { contextOf, documentOf, edited } from './support.ts';

const context = contextOf();

/** Every feature at one place. */
const features: Readonly<Record<string, (document: PolicyDocument, position: Position) => unknown>> = {
  completion: (document, position) => complete(document, position, context),
  hover: (document, position) => hover(document, position, context),
  lenses: (document) => codeLenses(document, context),
  hints: (document, position) => inlayHints(document, { start: { line: 0, character: 0 }, end: position }, context),
  symbols: documentSymbols,
  folding: foldingRanges,
  selection: (document, position) => selectionRanges(document, [position]),
  rename: (document, position) => prepareRename(document, position),
  format,
  diagnostics: (document) => diagnosticsOf(document, checkPolicy(document.source, context), context),
  actions: (document, position) =>
    codeActions(document, { start: position, end: position }, checkPolicy(document.source, context), context),
};

/** Pieces of policies, right and wrong, in any order. */
const pieces = contractExample
  .split(/(?<=\n)/)
  .concat(
    [
      '- ',
      '  ',
      '\n',
      '[',
      ']',
      '{',
      '}',
      ': ',
      ':',
      ',',
      '"',
      "'",
      '#',
      ' # ',
      '|',
      '>',
      '\t',
      '\r\n',
      '&a ',
      '*a',
      '!!x ',
    ],
    ['? ', '---\n', '\uFFFD', '\u0000', '💾', 'select:\n', '  - host: ', '    vms: [', 'cron: "', 'retention: {'],
  );

const anyText = fc.oneof(
  fc.array(fc.constantFrom(...pieces), { maxLength: 60 }).map((parts) => parts.join('')),
  fc.string({ unit: 'binary', maxLength: 300 }),
  // A policy, cut off and mended at any place.
  fc
    .tuple(fc.nat(contractExample.length), fc.nat(40), fc.constantFrom(...pieces))
    .map(([at, length, piece]) => contractExample.slice(0, at) + piece + contractExample.slice(at + length)),
);

describe('any text', () => {
  it('makes no feature fail, at any position', () => {
    fc.assert(
      fc.property(anyText, fc.double({ min: 0, max: 1, noNaN: true }), (text, part) => {
        const document = documentOf(text);
        const position = document.text.positionAt(Math.floor(part * text.length));
        for (const feature of Object.values(features)) feature(document, position);
        for (const { textEdit } of complete(document, position, context).items) {
          assert.ok(textEdit !== undefined && 'range' in textEdit);
          const { start, end } = textEdit.range;
          assert.ok(start.line === position.line && end.line === position.line);
          assert.ok(start.character <= position.character && position.character <= end.character);
        }
      }),
      { numRuns: 600 },
    );
  });

  it('is cut into words that lie one behind the other', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        let last = 0;
        for (const { start, end } of tokensOf(text)) {
          assert.ok(start >= last && end > start && end <= text.length);
          last = end;
        }
      }),
      { numRuns: 1500 },
    );
  });
});

describe('formatting of any text', () => {
  it('changes nothing that the policy says, no comment, and nothing when it is done again', () => {
    let done = 0;
    fc.assert(
      fc.property(anyText, (text) => {
        const formatted = formatText(text);
        if (formatted === undefined) return;
        done += 1;
        const [before, after] = [parsePolicy(text), parsePolicy(formatted)];
        assert.deepEqual(after.draft, before.draft);
        assert.deepEqual(comments(formatted), comments(text));
        assert.equal(formatText(formatted), formatted);
        const document = documentOf(text);
        assert.equal(edited(document, format(document)), formatted);
      }),
      { numRuns: 1200 },
    );
    assert.ok(done > 80, `${done} texts were valid`);
  });

  it('finds the example again however it was indented and spaced', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 8 }), fc.constantFrom('', ' ', '   '), (width, space) => {
        const loose = contractExample
          .replace(/^ {2}(?=[- e])( {2})?/gm, (_, deeper: string | undefined) => ' '.repeat(width) + (deeper ?? ''))
          .replace(
            /\[([^\]]*)\]/g,
            (_, inner: string) => `[${space}${inner.replaceAll(', ', `${space},${space}`)}${space}]`,
          )
          .replace(
            /\{ (.*) \}/g,
            (_, inner: string) => `{${space}${inner.replaceAll(', ', `${space},${space}`)}${space}}`,
          );
        assert.equal(formatText(loose), contractExample);
      }),
    );
  });
});

function comments(text: string): readonly string[] {
  return tokensOf(text).flatMap(({ kind, start, end }) =>
    kind === 'comment' ? [text.slice(start, end).trimEnd()] : [],
  );
}

describe('time', () => {
  it('a file of 500 lines, or of a size that no policy has, takes no feature 100 ms, wherever the cursor is', () => {
    for (const [name, text] of Object.entries(longFiles())) {
      for (const part of [0, 0.5, 1]) {
        for (const [feature, run] of Object.entries(features)) {
          let took = timeOf(text, part, run);
          for (let again = 0; took >= 100 && again < 8; again++) took = Math.min(took, timeOf(text, part, run));
          assert.ok(took < 100, `${feature} in ${name} at ${part} took ${took.toFixed(0)} ms`);
        }
      }
    }
  });
});

/** Processor time of a feature, with parsing, in ms: of this thread alone, since others collect garbage and compile. */
function timeOf(text: string, part: number, run: (document: PolicyDocument, position: Position) => unknown): number {
  // Counting lines is the editor protocol's library, which does so once for each text.
  const opened = documentOf(text).text;
  const position = opened.positionAt(Math.floor(part * text.length));
  const started = process.threadCpuUsage();
  run(policyDocument(opened), position);
  const { user, system } = process.threadCpuUsage(started);
  return (user + system) / 1000;
}

function longFiles(): Readonly<Record<string, string>> {
  const entry = '  - host: hv01\n    vms: [sql-*, "*"]\n    exclude: [sql-test*]\n';
  const cron = '  - cron: "*/7 2 * * MON-SAT"\n    timezone: Europe/Warsaw\n';
  const head = 'name: x\nrepository: main\n';
  return {
    'many entries': `${head}select:\n${entry.repeat(100)}schedule:\n${cron.repeat(64)}`,
    'unknown keys': 'nonsense: 1\n'.repeat(500),
    'open brackets': `${head}vms: [\n${'  a, [b, { c: \n'.repeat(20)}${'  x,\n'.repeat(450)}`,
    'half keys': `${head}${'  - ho\n'.repeat(500)}`,
    'open quotes': `${head}${'a: "x\n'.repeat(500)}`,
    'deep lists': `a:\n${Array.from({ length: 100 }, (_, depth) => `${'  '.repeat(depth)}- x:\n`).join('')}`,
    'ten megabytes': `# ${'x'.repeat(1000)}\n`.repeat(10_000),
    'long lines': `${head}${`a: [${'b, '.repeat(300)}\n`.repeat(500)}`,
  };
}
