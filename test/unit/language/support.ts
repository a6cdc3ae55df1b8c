/** What the tests of language features share: files with a marked cursor, a small world, and edits as an editor makes them. */
import assert from 'node:assert/strict';

import type { CompletionItem, Position, TextEdit } from 'vscode-languageserver';
import { TextDocument } from 'vscode-languageserver-textdocument';

import { complete } from '../../../server/language/completion/complete.ts';
import type { LanguageContext } from '../../../server/language/context.ts';
import { policyDocument } from '../../../server/language/document.ts';
import type { PolicyDocument } from '../../../server/language/document.ts';
import type { AppliedPolicy } from '../../../server/protocol/daemon/policy-model.ts';
import { appliedPolicy } from '../../../server/protocol/daemon/policy-model.ts';
import { policyInventory } from '../../../server/protocol/policy-inventory.ts';
import type { PolicyInventory } from '../../../server/protocol/policy-inventory.ts';

export const uri = 'file:///policies/nightly.backup.yaml';

export function documentOf(text: string, at = uri): PolicyDocument {
  return policyDocument(TextDocument.create(at, 'backup-policy', 1, text));
}

/** A file whose cursor is written as `|`. */
export function withCursor(marked: string): { readonly document: PolicyDocument; readonly position: Position } {
  const offset = marked.indexOf('|');
  assert.notEqual(offset, -1, 'the text has a cursor');
  const document = documentOf(marked.slice(0, offset) + marked.slice(offset + 1));
  return { document, position: document.text.positionAt(offset) };
}

const gib = 1024 ** 3;

/** Two hosts with four VMs and two repositories; as it comes over the wire. */
export function sampleInventory(): PolicyInventory {
  const vm = (host: string, number: number, name: string, disks: readonly string[]) => ({
    host,
    id: `00000000-0000-0000-0000-${number.toString().padStart(12, '0')}`,
    name,
    state: 'running',
    configVersion: '9.0',
    rctBlockers: [],
    disks: disks.map((disk) => ({ name: disk, sizeBytes: 60 * gib, format: 'vhdx', trackable: true })),
    ...(number === 1 ? { lastBackupAt: '2026-11-27T01:00:00Z' } : {}),
  });
  return policyInventory(
    {
      hosts: [
        { name: 'hv01', build: 20348, known: true },
        { name: 'hv02', build: 17763, known: true, unreachableSince: '2026-11-27T00:00:00Z' },
      ],
      vms: [
        vm('hv01', 1, 'sql-01', ['os', 'data']),
        vm('hv01', 2, 'sql-test', ['os']),
        vm('hv01', 3, 'Exchange 2019', ['os', 'scratch']),
        vm('hv02', 4, 'sql-02', ['os']),
      ],
      repositories: [
        { name: 'main', location: '/backup/main' },
        { name: 'offsite', location: 's3:bucket' },
      ],
    },
    '',
  );
}

/** Saturday, 28 November 2026, 12:00 UTC. */
export const now = Date.UTC(2026, 10, 28, 12);

export function contextOf(changes: Partial<LanguageContext> = {}): LanguageContext {
  return {
    now,
    inventory: sampleInventory(),
    applied: [],
    trusted: true,
    others: [],
    documentation: 'https://docs.example/policies',
    ...changes,
  };
}

export const runId = '01JDQZ0000000000000000000A';

export function applied(changes: object = {}): AppliedPolicy {
  return appliedPolicy(
    {
      name: 'nightly',
      repository: 'main',
      current: { version: 3, sha256: '0'.repeat(64), at: '2026-11-20T10:00:00Z', by: 'anna@laptop', change: 'applied' },
      vms: 2,
      problems: [],
      ...changes,
    },
    '',
  );
}

/** What completion offers at the cursor. */
export function offered(marked: string, context = contextOf()): readonly CompletionItem[] {
  const { document, position } = withCursor(marked);
  return complete(document, position, context).items;
}

export function labels(marked: string, context = contextOf()): readonly string[] {
  return offered(marked, context).map(({ label }) => label);
}

/** The file after the item was chosen; places to fill in have their text. */
export function chosen(marked: string, label: string, context = contextOf()): string {
  const { document, position } = withCursor(marked);
  const item = complete(document, position, context).items.find((one) => one.label === label);
  assert.ok(item !== undefined, `${label} is offered, not only ${labels(marked, context).join(', ')}`);
  const { textEdit } = item;
  assert.ok(textEdit !== undefined && 'range' in textEdit);
  assert.equal(textEdit.range.start.line, position.line);
  assert.equal(textEdit.range.end.line, position.line);
  return edited(document, [
    { range: textEdit.range, newText: filledIn(textEdit.newText, item.insertTextFormat === 2) },
  ]);
}

/** A snippet as it stands when nothing was typed into it. */
function filledIn(text: string, snippet: boolean): string {
  if (!snippet) return text;
  return text.replace(
    /\$\{\d+:((?:\\.|[^\\}])*)\}|\$\d+|\\(.)/g,
    (_, inner: string | undefined, plain: string | undefined) =>
      inner === undefined ? (plain ?? '') : inner.replace(/\\(.)/g, '$1'),
  );
}

/** A file after edits. */
export function edited(document: PolicyDocument, edits: readonly TextEdit[]): string {
  return TextDocument.applyEdits(document.text, [...edits]);
}
