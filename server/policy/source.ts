/** A policy file, parsed with positions. Never throws, whatever the text is. */
import { isMap, isScalar, isSeq, parseAllDocuments, visit } from 'yaml';
import type { Document, Node, Scalar } from 'yaml';

import { diagnosticCodes } from './diagnostic.ts';
import type { Fix, PolicyDiagnostic, TextRange } from './diagnostic.ts';
import { nearest } from './nearest.ts';
import { policyFields } from './policy-schema.ts';
import type { Policy, PolicyDraft } from './policy-schema.ts';
import { checkFields } from './schema/compound.ts';
import type { Check, PolicyPath } from './schema/schema.ts';
import { maxPolicyBytes } from './text.ts';

/** What of an entry is meant: `servers: [a]` is the entry, `servers` its key, `[a]` its value. */
export type PlacePart = 'key' | 'value' | 'entry';

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

/** More findings than these help nobody. */
const maxDiagnostics = 200;
/** Deeper nesting than this is no policy; parsers call themselves for each level. */
const maxDepth = 64;
/** Names longer than this are cut in messages. */
const maxKeyLength = 64;

/** Parses a policy file. */
export function parsePolicy(text: string): PolicySource {
  const findings = new Findings();
  const document = readYaml(text, findings);
  const root = document?.contents;
  const checked =
    root === undefined || findings.hasErrors ? undefined : checkFields(fields, root, [], checkOf(root, findings));
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
    rangeOf: (path, part = 'value') => rangeAt(root, path, part),
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

  add(finding: PolicyDiagnostic): void {
    if (finding.severity === 'error') this.hasErrors = true;
    if (this.list.length < maxDiagnostics) this.list.push(finding);
  }
}

function readYaml(text: string, findings: Findings): Document.Parsed | undefined {
  const error = (code: PolicyDiagnostic['code'], message: string, start: number, end: number, fixes?: readonly Fix[]) =>
    findings.add({
      code,
      severity: 'error',
      message,
      range: { start, end },
      ...(fixes === undefined ? {} : { fixes }),
    });
  if (text.length > maxPolicyBytes) {
    error(diagnosticCodes.fileTooLarge, `A policy has at most ${maxPolicyBytes / 1024} KiB.`, 0, firstLine(text));
    return undefined;
  }
  const replaced = text.indexOf('\uFFFD');
  if (replaced >= 0) {
    const message = 'This character was not readable: the file is not UTF-8. Save it with the encoding UTF-8.';
    error(diagnosticCodes.notText, message, replaced, replaced + 1);
  }
  const deep = tooDeep(text);
  if (deep !== undefined) {
    error(diagnosticCodes.yamlFeature, 'Nothing in a policy is nested so deep.', deep, deep + 1);
    return undefined;
  }
  const documents = parseAllDocuments(text, {
    version: '1.2',
    schema: 'core',
    strict: true,
    // Ours names the key, has a fix, and does not compare each key with each other one.
    uniqueKeys: false,
    prettyErrors: false,
    logLevel: 'silent',
  });
  const [document, second] = 'empty' in documents ? [] : documents;
  if (document === undefined) {
    error(
      diagnosticCodes.missingKey,
      'The policy is empty. It needs at least name, repository and select.',
      0,
      firstLine(text),
    );
    return undefined;
  }
  for (const problem of document.errors) {
    const [start, end] = problem.pos;
    if (problem.code === 'TAB_AS_INDENT') {
      error(
        diagnosticCodes.tabIndent,
        'YAML takes no tabs as indentation.',
        start,
        Math.max(end, start + 1),
        tabFix(text, start),
      );
    } else {
      error(
        diagnosticCodes.yamlSyntax,
        sentence(problem.message),
        start,
        Math.min(Math.max(end, start + 1), text.length),
      );
    }
  }
  if (second !== undefined) {
    const start = second.range[0];
    error(
      diagnosticCodes.severalDocuments,
      'A file holds one policy; a second one begins here.',
      start,
      start + firstLine(text.slice(start)),
    );
  }
  refuseFeatures(document, error);
  return document;
}

/** Anchors, aliases and tags make files that mean more than they show, and small files that become huge ones. */
function refuseFeatures(
  document: Document.Parsed,
  error: (code: PolicyDiagnostic['code'], message: string, start: number, end: number) => void,
): void {
  const refuse = (node: Node, what: string): void => {
    const [start = 0, end = 0] = node.range ?? [];
    error(diagnosticCodes.yamlFeature, `A policy has no ${what}: write out what is meant.`, start, end);
  };
  visit(document, {
    Alias: (_key, node) => refuse(node, 'aliases (*)'),
    Node: (_key, node) => {
      if ('anchor' in node && node.anchor !== undefined) refuse(node, 'anchors (&)');
      else if (node.tag !== undefined && !node.tag.startsWith('tag:yaml.org,2002:') && node.tag !== '!')
        refuse(node, 'tags (!)');
    },
  });
}

/** Where brackets or indentation nest too deep. Counts brackets in texts and comments too: no policy comes near. */
function tooDeep(text: string): number | undefined {
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (character === '[' || character === '{') {
      depth += 1;
      if (depth > maxDepth) return at;
    } else if (character === ']' || character === '}') depth = Math.max(0, depth - 1);
  }
  // Block collections nest by indentation, and `- - - -` by dashes: a level takes at least two characters of one line.
  const line = /^(?=[ \t]*[-?:])[ \t?:-]{128,}/m.exec(text) ?? /^[ \t]{256,}\S/m.exec(text);
  return line?.index;
}

function checkOf(root: Node | null | undefined, findings: Findings): Check {
  return {
    report: (node, path, { code, message, severity = 'error', fixes = [], candidates = [], atKey = false }) => {
      const own = atKey ? undefined : rangeOfNode(node);
      const range = own ?? rangeAt(root, path, 'key') ?? { start: 0, end: 0 };
      const written = isScalar(node) ? (writtenOf(node) ?? '').slice(0, maxKeyLength) : '';
      const meant = nearest(written, candidates);
      const fix: readonly Fix[] =
        meant === undefined
          ? []
          : [{ title: `Change to "${meant}"`, edits: [{ range, text: meant }], preferred: true }];
      const all = [...fix, ...fixes];
      findings.add({
        code,
        severity,
        message: meant === undefined ? message : `${message} Is "${meant}" meant?`,
        range,
        ...(all.length === 0 ? {} : { fixes: all }),
      });
    },
  };
}

/** A text as it is, any other value as it is written. */
function writtenOf(node: Scalar): string | undefined {
  return typeof node.value === 'string' ? node.value : node.source;
}

/** The node at a path. */
function nodeAt(root: unknown, path: PolicyPath): Node | undefined {
  let node = root;
  for (const part of path) {
    if (isMap(node)) node = node.items.find((pair) => isScalar(pair.key) && pair.key.value === part)?.value;
    else if (isSeq(node) && typeof part === 'number') node = node.items[part];
    else return undefined;
  }
  return isScalar(node) || isMap(node) || isSeq(node) ? node : undefined;
}

function rangeAt(root: unknown, path: PolicyPath, part: PlacePart): TextRange | undefined {
  const value = rangeOfNode(nodeAt(root, path));
  const last = path.at(-1);
  if (part === 'value' || typeof last !== 'string') return value;
  const parent = nodeAt(root, path.slice(0, -1));
  const pair = isMap(parent) ? parent.items.find(({ key }) => isScalar(key) && key.value === last) : undefined;
  const key = isScalar(pair?.key) ? rangeOfNode(pair.key) : undefined;
  if (part === 'key' || key === undefined) return key;
  return { start: key.start, end: value?.end ?? key.end };
}

/** Where a node's own text is, without comments behind it. An empty value has no place of its own. */
function rangeOfNode(node: Node | null | undefined): TextRange | undefined {
  const range = node?.range;
  if (range === undefined || range === null || range[0] === range[1]) return undefined;
  return { start: range[0], end: range[1] };
}

function firstLine(text: string): number {
  const end = text.search(/\r?\n/);
  return Math.min(end < 0 ? text.length : end, 200);
}

/** The parser's messages are fragments without an end. */
function sentence(message: string): string {
  const line = message.split('\n')[0] ?? message;
  return /[.!?]$/.test(line) ? line : `${line}.`;
}

function tabFix(text: string, at: number): readonly Fix[] {
  const start = text.lastIndexOf('\n', at - 1) + 1;
  const indent = /^[ \t]*/.exec(text.slice(start))?.[0] ?? '';
  if (!indent.includes('\t')) return [];
  const spaces = indent.replaceAll('\t', '  ');
  return [
    { title: 'Use spaces', edits: [{ range: { start, end: start + indent.length }, text: spaces }], preferred: true },
  ];
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
