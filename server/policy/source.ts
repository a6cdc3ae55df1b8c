/** A policy file, parsed with positions. Never throws, whatever the text is. */
import { isNode, isScalar } from 'yaml';
import type { Document, Node, Pair, Scalar } from 'yaml';

import type { Fix, PolicyDiagnostic, RelatedPlace, TextRange } from './diagnostic.ts';
import { nearest } from './nearest.ts';
import { policyFields } from './policy-schema.ts';
import type { Policy, PolicyDraft } from './policy-schema.ts';
import { nodeAt, rangeAt, rangeOfNode } from './ranges.ts';
import type { PlacePart } from './ranges.ts';
import { checkFields } from './schema/compound.ts';
import type { Check, PolicyPath } from './schema/schema.ts';
import { removeLines } from './text-edits.ts';
import { maxFindings, readYaml } from './yaml-text.ts';

export type { PlacePart } from './ranges.ts';

/** A parsed policy file. */
export interface PolicySource {
  readonly text: string;
  /** The document; undefined when the text is too large, or no YAML at all. */
  readonly document: Document.Parsed | undefined;
  /** Whatever is valid, for rules that need no more. */
  readonly draft: PolicyDraft;
  /** The policy; undefined when something in the text is an error. */
  readonly policy: Policy | undefined;
  /** What is wrong with the text and with single values. */
  readonly diagnostics: readonly PolicyDiagnostic[];
  /** Where a value is; undefined when it is not there. */
  rangeOf(path: PolicyPath, part?: PlacePart): TextRange | undefined;
  /** The part of the document at `path`. */
  nodeAt(path: PolicyPath): Node | undefined;
  /** The text at `path` as it was written, without quotes; undefined when it is no scalar. */
  writtenAt(path: PolicyPath): string | undefined;
}

/** Names longer than this are cut in messages. */
const maxKeyLength = 64;

/** Parses a policy file. */
export function parsePolicy(text: string): PolicySource {
  const findings = new Findings(text);
  const document = readYaml(text, (finding) => findings.add(finding));
  const root = document?.contents;
  const checked =
    root === undefined || findings.hasErrors ? undefined : checkFields(fields, root, [], checkOf(text, root, findings));
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- `checkFields` put in only what the schema's fields gave
  const draft = Object.fromEntries(checked?.found ?? []) as PolicyDraft;
  const complete = checked?.complete === true && !findings.hasErrors;
  return {
    text,
    document,
    draft,
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- every required key was found, and each value is its schema's
    policy: complete ? (draft as Policy) : undefined,
    diagnostics: findings.list,
    rangeOf: (path, part = 'value') => rangeAt(text, root, path, part),
    nodeAt: (path) => nodeAt(root, path),
    writtenAt: (path) => {
      const node = nodeAt(root, path);
      return isScalar(node) ? writtenOf(node) : undefined;
    },
  };
}

const fields = new Map(Object.entries(policyFields));

class Findings {
  readonly list: PolicyDiagnostic[] = [];
  hasErrors = false;
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  add(finding: PolicyDiagnostic): void {
    if (finding.severity === 'error') this.hasErrors = true;
    if (!this.isFull) this.list.push({ ...finding, range: this.#within(finding.range) });
  }

  get isFull(): boolean {
    return this.list.length >= maxFindings;
  }

  /** What is missing at the end of the text is marked at its last character. */
  #within({ start, end }: TextRange): TextRange {
    const length = this.#text.length;
    if (start < length) return { start, end: Math.min(Math.max(end, start), length) };
    const last = this.#text.trimEnd().length;
    return { start: Math.max(0, last - 1), end: last };
  }
}

function checkOf(text: string, root: Node | null | undefined, findings: Findings): Check {
  return {
    report: (node, path, finding) => {
      const { code, message, severity = 'error', candidates = [], atKey = false, twice } = finding;
      if (findings.isFull) {
        findings.hasErrors ||= severity === 'error';
        return;
      }
      const own = atKey ? undefined : rangeOfNode(text, node);
      const range = own ?? rangeAt(text, root, path, 'key') ?? { start: 0, end: 0 };
      const written = isScalar(node) ? (writtenOf(node) ?? '').slice(0, maxKeyLength) : '';
      const meant = nearest(written, candidates);
      const fixes = [
        ...(meant === undefined ? [] : [changeTo(meant, range)]),
        ...(finding.fixes ?? []),
        ...(twice === undefined ? [] : removal(text, twice.second)),
      ];
      const related = twice === undefined ? [] : placeOf(text, twice.first);
      findings.add({
        code,
        severity,
        message: meant === undefined ? message : `${message} Is "${meant}" meant?`,
        range,
        ...(related.length === 0 ? {} : { related }),
        ...(fixes.length === 0 ? {} : { fixes }),
      });
    },
  };
}

function changeTo(meant: string, range: TextRange): Fix {
  return { title: `Change to "${meant}"`, edits: [{ range, text: meant }], preferred: true };
}

function placeOf(text: string, { key }: Pair): readonly RelatedPlace[] {
  const range = isScalar(key) ? rangeOfNode(text, key) : undefined;
  return range === undefined ? [] : [{ range, message: 'The first one.' }];
}

/** Takes the lines of a key and its value out. */
function removal(text: string, { key, value }: Pair): readonly Fix[] {
  const start = isScalar(key) ? rangeOfNode(text, key) : undefined;
  if (start === undefined) return [];
  const end = isNode(value) ? rangeOfNode(text, value) : undefined;
  const edit = removeLines(text, { start: start.start, end: end?.end ?? start.end }, /^[ \t]*$/);
  return edit === undefined ? [] : [{ title: 'Remove this one', edits: [edit] }];
}

/** A text as it is, any other value as it is written. */
function writtenOf(node: Scalar): string | undefined {
  return typeof node.value === 'string' ? node.value : node.source;
}

/** Turns offsets into lines and columns, both counted from 0, columns in UTF-16 units. */
export function positionsOf(text: string): (offset: number) => { readonly line: number; readonly character: number } {
  const starts = [0];
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) starts.push(at + 1);
  return (offset) => {
    let low = 0;
    let high = starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((starts[middle] ?? 0) <= offset) low = middle;
      else high = middle - 1;
    }
    return { line: low, character: offset - (starts[low] ?? 0) };
  };
}
