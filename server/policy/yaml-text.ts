/** The text of a policy file as YAML: what the parser finds wrong with it, and what policies do not take of YAML. Never throws. */
import { Lexer, parseAllDocuments, visit } from 'yaml';
import type { Document, Node } from 'yaml';

import { diagnosticCodes } from './diagnostic.ts';
import type { Fix, PolicyDiagnostic } from './diagnostic.ts';
import { lineEnd, lineStart } from './text-edits.ts';
import { maxPolicyBytes } from './text.ts';
import { yamlMessage } from './yaml-messages.ts';

/** Takes what is wrong. */
export type Report = (finding: PolicyDiagnostic) => void;

/** More findings than these help nobody. */
export const maxFindings = 200;
/** Deeper nesting than this is no policy; parsers call themselves for each level. */
const maxDepth = 64;
/** Words, signs and spaces of a text: 6,000 names in a list are 18,000. As many as are read in a keystroke's time. */
const maxTokens = 20_000;

/** The document of a text; undefined when the text is too large, or empty. */
export function readYaml(text: string, report: Report): Document.Parsed | undefined {
  const error = (
    code: PolicyDiagnostic['code'],
    message: string,
    start: number,
    end: number,
    fixes: readonly Fix[] = [],
  ) => report({ code, severity: 'error', message, range: { start, end }, ...(fixes.length === 0 ? {} : { fixes }) });
  if (text.length > maxPolicyBytes) {
    error(diagnosticCodes.fileTooLarge, `A policy has at most ${maxPolicyBytes / 1024} KiB.`, 0, firstLine(text, 0));
    return undefined;
  }
  const noText = unreadable(text);
  if (noText !== undefined) error(diagnosticCodes.notText, noText.message, noText.at, noText.at + 1);
  const deep = tooDeep(text);
  if (deep !== undefined) {
    error(diagnosticCodes.yamlFeature, 'Nothing in a policy is nested so deep.', deep, deep + 1);
    return undefined;
  }
  const long = tooLong(text);
  if (long !== undefined) {
    error(
      diagnosticCodes.fileTooLarge,
      'A policy has not so many words. Use patterns such as "sql-*".',
      long,
      firstLine(text, long),
    );
    return undefined;
  }
  const [document, second] = parse(text);
  if (document === undefined) {
    const message = 'The policy is empty. It needs at least name, repository and select.';
    error(diagnosticCodes.missingKey, message, 0, firstLine(text, 0));
    return undefined;
  }
  refuseFeatures(text, document, report);
  if (second !== undefined) {
    const start = second.range[0];
    const message = 'A file holds one policy; a second one begins here.';
    error(diagnosticCodes.severalDocuments, message, start, firstLine(text, start));
  }
  return document;
}

function parse(text: string): readonly Document.Parsed[] {
  const { stackTraceLimit } = Error;
  // What is wrong with the text comes as errors, thousands of them in a text that is no YAML. Nobody reads their stacks, which cost most of the time.
  Error.stackTraceLimit = 0;
  try {
    const documents = parseAllDocuments(text, {
      version: '1.2',
      schema: 'core',
      strict: true,
      // Ours names the key, has a fix, and does not compare each key with each other one.
      uniqueKeys: false,
      prettyErrors: false,
      logLevel: 'silent',
    });
    return 'empty' in documents ? [] : documents;
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

/** Reports syntax errors, and what makes files mean more than they show, and small files become huge ones: anchors, aliases and tags. */
function refuseFeatures(text: string, document: Document.Parsed, report: Report): void {
  /** Where they are, and the lines that they are on. */
  const refused = new Set<number>();
  const lines = new Set<number>();
  const refuse = (start: number, end: number, message: string, fixes: readonly Fix[]): void => {
    refused.add(start);
    lines.add(lineStart(text, start));
    report({
      code: diagnosticCodes.yamlFeature,
      severity: 'error',
      message,
      range: { start, end },
      ...(fixes.length === 0 ? {} : { fixes }),
    });
  };
  const anchors = anchorsOf(document);
  visit(document, {
    Alias: (_key, { range, source }) => {
      if (refused.size >= maxFindings) return visit.BREAK;
      if (range === undefined || range === null) return undefined;
      const start = range[0];
      if (anchors.has(source)) {
        refuse(start, range[1], 'A policy has no aliases (*): write out what is meant.', []);
        return undefined;
      }
      const end = starEnd(text, start);
      const edits = [{ range: { start, end }, text: JSON.stringify(text.slice(start, end)) }];
      refuse(start, end, 'A text that begins with * needs quotes.', [
        { title: 'Put it in quotes', edits, preferred: true },
      ]);
      return undefined;
    },
    Node: (_key, node) => {
      if (refused.size >= maxFindings) return visit.BREAK;
      const anchor = 'anchor' in node ? node.anchor : undefined;
      const { tag } = node;
      if (anchor !== undefined) refuseProperty(text, node, { sign: `&${anchor}`, what: 'anchors (&)', refuse });
      if (tag !== undefined) refuseProperty(text, node, { sign: '!', what: 'tags (!)', refuse });
      return undefined;
    },
  });
  for (const problem of document.errors.slice(0, maxFindings)) {
    const start = problem.pos[0];
    // One cause, one finding: a star without quotes makes an error of everything behind it.
    if (lines.has(lineStart(text, start))) continue;
    const isTab = problem.code === 'TAB_AS_INDENT';
    const fixes = isTab ? tabFix(text, start) : [];
    report({
      code: isTab ? diagnosticCodes.tabIndent : diagnosticCodes.yamlSyntax,
      severity: 'error',
      message: yamlMessage(problem),
      range: { start, end: Math.max(problem.pos[1], start + 1) },
      ...(fixes.length === 0 ? {} : { fixes }),
    });
  }
}

/** Names that an alias can mean. A star in front of anything else is a pattern without quotes. */
function anchorsOf(document: Document.Parsed): ReadonlySet<string> {
  const anchors = new Set<string>();
  visit(document, {
    Node: (_key, node) => {
      if ('anchor' in node && node.anchor !== undefined) anchors.add(node.anchor);
    },
  });
  return anchors;
}

/** An anchor or a tag in front of a node, marked by itself where it is found. */
function refuseProperty(
  text: string,
  node: Node,
  options: {
    readonly sign: string;
    readonly what: string;
    readonly refuse: (start: number, end: number, message: string, fixes: readonly Fix[]) => void;
  },
): void {
  const { sign, what, refuse } = options;
  const [from = 0, to = 0] = node.range ?? [];
  const message = `A policy has no ${what}: write out what is meant.`;
  const line = lineStart(text, from);
  // Of a block that begins on the next line, it stands behind the key.
  const before = text.slice(lineStart(text, Math.max(0, line - 1)), from);
  const at = before.lastIndexOf(sign);
  if (at < 0) {
    refuse(from, to, message, []);
    return;
  }
  // `!!str` has two.
  const start = from - before.length + at - Number(sign === '!' && before[at - 1] === '!');
  const length = /^\S*/.exec(text.slice(start, lineEnd(text, start)))?.[0].length ?? sign.length;
  const end = start + length;
  const isLast = lineEnd(text, start) === end;
  const removed = isLast
    ? { start: start - Number(text[start - 1] === ' '), end }
    : { start, end: end + Number(text[end] === ' ') };
  const title = `Remove ${text.slice(start, Math.min(end, start + 64))}`;
  refuse(start, end, message, [{ title, edits: [{ range: removed, text: '' }] }]);
}

/** Where the text ends that begins with a star at `start`: before a comment, or what ends an item in brackets or braces. */
function starEnd(text: string, start: number): number {
  const before = text.slice(lineStart(text, start), start);
  const rest = text.slice(start, lineEnd(text, start));
  const inBrackets = before.lastIndexOf('[') > before.lastIndexOf(']');
  const inBraces = before.lastIndexOf('{') > before.lastIndexOf('}');
  const own = (inBrackets ? /^[^,\]}#]*/ : inBraces ? /^(?:(?!, |\}| #).)*/ : /^(?:(?! #).)*/).exec(rest)?.[0] ?? '*';
  return start + Math.max(1, own.trimEnd().length);
}

/** The first character that no text in UTF-8 has: one that could not be read, half of one, or one that nobody sees and YAML does not take. */
function unreadable(text: string): { readonly at: number; readonly message: string } | undefined {
  const replaced = text.indexOf('\uFFFD');
  const half = text.isWellFormed() ? -1 : text.search(/\p{Cs}/u);
  const found = [replaced, half].filter((at) => at >= 0);
  if (found.length > 0) {
    const message = 'This character was not readable: the file is not UTF-8. Save it with the encoding UTF-8.';
    return { at: Math.min(...found), message };
  }
  const control = text.search(/[^\P{Cc}\t\r\n\u0085]|\r(?!\n)/u);
  return control < 0 ? undefined : { at: control, message: 'A character that cannot be seen is here. Remove it.' };
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

const textMark = '\u001F';

/** Where the first token is that is one too many. */
function tooLong(text: string): number | undefined {
  let tokens = 0;
  let at = 0;
  for (const token of new Lexer().lex(text)) {
    // A mark in front of each text, which is not in the file.
    if (token === textMark) continue;
    tokens += 1;
    if (tokens > maxTokens) return Math.min(at, text.length - 1);
    at += token.length;
  }
  return undefined;
}

/** Where the line ends, or a part of it that is enough to see. */
function firstLine(text: string, start: number): number {
  return Math.min(lineEnd(text, start), start + 200);
}

function tabFix(text: string, at: number): readonly Fix[] {
  const start = lineStart(text, at);
  const line = text.slice(start, lineEnd(text, start));
  const indent = /^[ \t]*/.exec(line)?.[0] ?? '';
  if (!indent.includes('\t')) return [];
  const above =
    text
      .slice(Math.max(0, start - 1000), start)
      .trimEnd()
      .split('\n')
      .at(-1) ?? '';
  const spaces = ' '.repeat(columnBelow(above, line.startsWith('-', indent.length)));
  return [
    { title: 'Use spaces', edits: [{ range: { start, end: start + indent.length }, text: spaces }], preferred: true },
  ];
}

/** The column in which a line below `above` most likely begins: that of its key, or two more when it opens a block. */
function columnBelow(above: string, isItem: boolean): number {
  const before = /^[ \t]*(?:-[ \t]+)*/.exec(above)?.[0] ?? '';
  if (/:[ \t]*(?:#.*)?$/.test(above)) return before.length + 2;
  return isItem && before.includes('-') ? before.lastIndexOf('-') : before.length;
}
