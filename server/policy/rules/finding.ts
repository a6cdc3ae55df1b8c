/** Findings of rules. */
import type { DiagnosticCode, Fix, PolicyDiagnostic, RelatedPlace, Severity } from '../diagnostic.ts';
import type { PolicyPath } from '../schema/schema.ts';
import type { PlacePart, PolicySource } from '../source.ts';

/** What a rule found; `path` is the place. */
export interface Found {
  readonly code: DiagnosticCode;
  readonly severity: Severity;
  readonly message: string;
  readonly path: PolicyPath;
  /** The value when absent. */
  readonly part?: PlacePart;
  readonly related?: readonly RelatedPlace[];
  readonly fixes?: readonly Fix[];
}

/** A finding with its place in the text. A value that has no place of its own is marked where its parent is. */
export function finding(source: PolicySource, found: Found): PolicyDiagnostic {
  const { code, severity, message, path, part = 'value', related = [], fixes = [] } = found;
  return {
    code,
    severity,
    message,
    range: placeOf(source, path, part),
    ...(related.length === 0 ? {} : { related }),
    ...(fixes.length === 0 ? {} : { fixes }),
  };
}

function placeOf(source: PolicySource, path: PolicyPath, part: PlacePart) {
  for (let length = path.length; length > 0; length--) {
    const range = source.rangeOf(path.slice(0, length), part);
    if (range !== undefined) return range;
  }
  return { start: 0, end: Math.min(1, source.text.length) };
}
