import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import type { CodeAction, WorkspaceEdit } from 'vscode-languageserver';

import { codeActions } from '../../../server/language/code-actions.ts';
import type { LanguageContext } from '../../../server/language/context.ts';
import { diagnosticsOf } from '../../../server/language/diagnostics.ts';
import { prepareRename, rename } from '../../../server/language/rename.ts';
import type { PolicyDocument } from '../../../server/language/document.ts';
import { checkPolicy, diagnosticCodes, parsePolicy } from '../../../server/policy/index.ts';
import type { PolicyDiagnostic } from '../../../server/policy/index.ts';
import { TidemarkError } from '../../../server/protocol/errors.ts';
import { applied, contextOf, documentOf, edited, uri, withCursor } from './support.ts';

function after(document: PolicyDocument, edit: WorkspaceEdit | undefined): string {
  assert.deepEqual(Object.keys(edit?.changes ?? {}), [uri]);
  return edited(document, edit?.changes?.[uri] ?? []);
}

function actionsAt(marked: string, context: LanguageContext = contextOf()) {
  const { document, position } = withCursor(marked);
  const findings = checkPolicy(document.source, context);
  const actions = codeActions(document, { start: position, end: position }, findings, context);
  const apply = (action: CodeAction | undefined): string => after(document, action?.edit);
  return { actions, apply };
}

describe('code actions', () => {
  it('mend what the check found at the cursor', () => {
    const { actions, apply } = actionsAt('name: x\nrepositry|: main\n');
    const fix = actions.find(({ title }) => title === 'Change to "repository"');
    assert.equal(fix?.isPreferred, true);
    assert.equal(fix?.diagnostics?.[0]?.code, diagnosticCodes.unknownKey);
    assert.equal(apply(fix), 'name: x\nrepository: main\n');
  });

  it('are about what is at the cursor and nothing else', () => {
    const { actions } = actionsAt('name: |x\nrepositry: main\n');
    assert.deepEqual(actions, []);
  });

  it('offer a time zone and a retention at the schedule of a policy that has none', () => {
    const text =
      'name: x\nrepository: main\nselect:\n  - { host: "*", vms: ["*"] }\nsche|dule:\n  - cron: "0 2 * * *"\n';
    const { actions, apply } = actionsAt(text);
    const added = actions.filter(({ kind }) => kind === 'refactor.rewrite');
    assert.equal(added.length, 2);
    for (const action of added) {
      const { draft, diagnostics } = parsePolicy(apply(action));
      assert.deepEqual(diagnostics, []);
      assert.ok(draft.timezone !== undefined || draft.retention !== undefined);
    }
    assert.deepEqual(
      actionsAt(text.replace('name: x', 'name: x\ntimezone: UTC\nretention: { keepLast: 1 }')).actions,
      [],
    );
  });
});

describe('diagnostics', () => {
  it('have the code, a link to its explanation, and where else to look', () => {
    const document = documentOf('name: x\n');
    const other = 'file:///policies/b.backup.yaml';
    const finding: PolicyDiagnostic = {
      code: diagnosticCodes.duplicatePolicyName,
      severity: 'error',
      message: 'There is another policy of this name.',
      range: { start: 6, end: 7 },
      related: [
        { uri: other, range: { start: 8, end: 9 }, message: 'Here.' },
        { uri: 'file:///gone', range: { start: 0, end: 1 }, message: 'Nowhere.' },
      ],
    };
    const source = parsePolicy('#\n#\nname: x\n');
    const context = contextOf({ others: [{ uri: other, draft: source.draft, source }] });
    assert.deepEqual(diagnosticsOf(document, [finding], context), [
      {
        range: { start: { line: 0, character: 6 }, end: { line: 0, character: 7 } },
        severity: 1,
        code: 'TM7208',
        codeDescription: { href: 'https://docs.example/policies/TM7208.md' },
        source: 'tidemark',
        message: finding.message,
        relatedInformation: [
          {
            location: { uri: other, range: { start: { line: 2, character: 4 }, end: { line: 2, character: 5 } } },
            message: 'Here.',
          },
        ],
      },
    ]);
  });

  it('fade what could be left out', () => {
    const finding = { severity: 'warning', message: '', range: { start: 0, end: 1 } } as const;
    const tagsOf = (code: PolicyDiagnostic['code']) =>
      diagnosticsOf(documentOf('name: x'), [{ ...finding, code }], contextOf())[0]?.tags;
    assert.deepEqual(tagsOf(diagnosticCodes.nothingExcluded), [1]);
    assert.equal(tagsOf(diagnosticCodes.unknownVm), undefined);
  });
});

describe('renaming the policy', () => {
  it('changes its name, from the name and from its key', () => {
    for (const text of ['na|me: "old" # c\n', 'name: "o|ld" # c\n']) {
      const { document, position } = withCursor(text);
      assert.equal(prepareRename(document, position)?.placeholder, 'old');
      const { edit, notice } = rename(document, position, 'new-name', contextOf());
      assert.equal(after(document, edit), 'name: new-name # c\n');
      assert.equal(notice, undefined);
    }
  });

  it('writes a name in quotes that would be a number', () => {
    const { document, position } = withCursor('name: o|ld\n');
    assert.equal(after(document, rename(document, position, '2024', contextOf()).edit), 'name: "2024"\n');
  });

  it('says that what is applied keeps its name', () => {
    const { document, position } = withCursor('name: night|ly\n');
    const { notice } = rename(document, position, 'weekly', contextOf({ applied: [applied()] }));
    assert.match(notice ?? '', /"nightly" stays applied under its old name/);
  });

  it('refuses a name that no policy can have, and other places', () => {
    const { document, position } = withCursor('name: o|ld\n');
    assert.throws(() => rename(document, position, 'Not A Name', contextOf()), TidemarkError);
    const other = withCursor('name: old\nrepository: ma|in\n');
    assert.equal(prepareRename(other.document, other.position), undefined);
    assert.throws(() => rename(other.document, other.position, 'x', contextOf()), TidemarkError);
  });
});
