/** What is wrong with a policy, as the editor shows it. */
import { DiagnosticSeverity, DiagnosticTag } from 'vscode-languageserver';
import type { Diagnostic } from 'vscode-languageserver';

import { diagnosticCodes, positionsOf } from '../policy/index.ts';
import type { DiagnosticCode, PolicyDiagnostic, RelatedPlace, Severity } from '../policy/index.ts';
import type { LanguageContext } from './context.ts';
import { rangeIn } from './document.ts';
import type { PolicyDocument } from './document.ts';

/** More than these help nobody. */
const maxShown = 500;

const severities: Readonly<Record<Severity, DiagnosticSeverity>> = {
  error: DiagnosticSeverity.Error,
  warning: DiagnosticSeverity.Warning,
  information: DiagnosticSeverity.Information,
};

/** What could be left out of the file without changing what it does. */
const unnecessary: ReadonlySet<DiagnosticCode> = new Set([
  diagnosticCodes.nothingExcluded,
  diagnosticCodes.scheduleTwice,
]);

/** The findings of a check for the editor. */
export function diagnosticsOf(
  document: PolicyDocument,
  findings: readonly PolicyDiagnostic[],
  context: LanguageContext,
): Diagnostic[] {
  return findings.slice(0, maxShown).map((finding) => ({
    range: rangeIn(document, finding.range),
    severity: severities[finding.severity],
    code: finding.code,
    ...(context.documentation === undefined
      ? {}
      : { codeDescription: { href: `${context.documentation}/${finding.code}.md` } }),
    source: 'tidemark',
    message: finding.message,
    ...(unnecessary.has(finding.code) ? { tags: [DiagnosticTag.Unnecessary] } : {}),
    ...related(document, finding.related ?? [], context),
  }));
}

function related(
  document: PolicyDocument,
  places: readonly RelatedPlace[],
  context: LanguageContext,
): Pick<Diagnostic, 'relatedInformation'> {
  const found = places.flatMap((place) => {
    const { uri = document.text.uri } = place;
    const text = uri === document.text.uri ? document.source.text : textOf(uri, context);
    if (text === undefined) return [];
    const position = positionsOf(text);
    const range = { start: position(place.range.start), end: position(place.range.end) };
    return [{ location: { uri, range }, message: place.message }];
  });
  return found.length === 0 ? {} : { relatedInformation: found };
}

function textOf(uri: string, { others }: LanguageContext): string | undefined {
  return others.find((other) => other.uri === uri)?.source?.text;
}
