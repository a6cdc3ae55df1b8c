/** Quick fixes of what a check found, and keys that policies usually have. */
import { CodeActionKind } from 'vscode-languageserver';
import type { CodeAction, Range, TextEdit } from 'vscode-languageserver';

import type { Fix, PolicyDiagnostic, TextRange } from '../policy/index.ts';
import type { LanguageContext } from './context.ts';
import { diagnosticsOf } from './diagnostics.ts';
import { rangeIn } from './document.ts';
import type { PolicyDocument } from './document.ts';

/** What can be done in a part of a file. `findings`: what checking the file as it is found. */
export function codeActions(
  document: PolicyDocument,
  range: Range,
  findings: readonly PolicyDiagnostic[],
  context: LanguageContext,
): CodeAction[] {
  const wanted = { start: document.text.offsetAt(range.start), end: document.text.offsetAt(range.end) };
  const fixes = findings
    .filter((finding) => touches(finding.range, wanted))
    .flatMap((finding) => {
      const diagnostics = diagnosticsOf(document, [finding], context);
      return (finding.fixes ?? []).map((fix): CodeAction => ({
        title: fix.title,
        kind: CodeActionKind.QuickFix,
        diagnostics,
        ...(fix.preferred === true ? { isPreferred: true } : {}),
        edit: { changes: { [document.text.uri]: editsOf(document, fix) } },
      }));
    });
  return [...fixes, ...missingKeys(document, wanted)];
}

function editsOf(document: PolicyDocument, { edits }: Fix): TextEdit[] {
  return edits.map(({ range, text }) => ({ range: rangeIn(document, range), newText: text }));
}

/** `retention` and `timezone`, offered at the schedule: without the one nothing is ever deleted, without the other hours are those of UTC. */
function missingKeys(document: PolicyDocument, wanted: TextRange): readonly CodeAction[] {
  const { draft } = document.source;
  const schedule = document.source.rangeOf(['schedule'], 'entry');
  if (schedule === undefined || !touches(schedule, wanted) || document.source.policy === undefined) return [];
  const eol = document.source.text.includes('\r\n') ? '\r\n' : '\n';
  const add = (title: string, line: string): CodeAction => ({
    title,
    kind: CodeActionKind.RefactorRewrite,
    edit: {
      changes: {
        [document.text.uri]: [
          { range: rangeIn(document, { start: schedule.start, end: schedule.start }), newText: line + eol },
        ],
      },
    },
  });
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const zoned = draft.timezone !== undefined || (draft.schedule ?? []).some((entry) => entry.timezone !== undefined);
  return [
    ...(zoned ? [] : [add(`Count hours in ${zone}`, `timezone: ${zone}`)]),
    ...(draft.retention === undefined ? [add('Add a retention', `retention: ${usualRetention}`)] : []),
  ];
}

const usualRetention = '{ keepLast: 3, keepDaily: 14, keepWeekly: 8, keepMonthly: 12 }';

function touches(a: TextRange, b: TextRange): boolean {
  return a.start <= b.end && b.start <= a.end;
}
