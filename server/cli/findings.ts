/** What was found in policy files: for people, and for the checks of others. */
import type { PolicyFinding } from '../protocol/daemon.ts';
import type { CliContext } from './context.ts';
import { printable } from './printable.ts';

/** Another place that a finding is about. Lines and characters count from 0. */
export interface RelatedFinding {
  readonly file: string;
  readonly line: number;
  readonly character: number;
  readonly message: string;
}

/** A finding with the other places that it is about. */
export interface FileFinding extends PolicyFinding {
  readonly related?: readonly RelatedFinding[];
}

/** A file and what was found in it. */
export interface FoundInFile {
  /** As the user is to see it. */
  readonly file: string;
  readonly text: string;
  readonly findings: readonly FileFinding[];
}

/** How much of what was found. */
export interface FindingCounts {
  readonly errors: number;
  readonly warnings: number;
}

const levelNames: Readonly<Record<PolicyFinding['severity'], string>> = {
  error: 'error',
  warning: 'warning',
  information: 'info',
};

/** Counts findings. */
export function countFindings(findings: readonly PolicyFinding[]): FindingCounts {
  const of = (severity: PolicyFinding['severity']): number =>
    findings.filter((finding) => finding.severity === severity).length;
  return { errors: of('error'), warnings: of('warning') };
}

/**
 * Findings as compilers print them, `file:line:column: error TM7107 message`, counted from 1, in the order of the file. With `source` each is followed by its line of the
 * file, marked.
 */
export function findingsText(
  context: Pick<CliContext, 'terminal' | 'style'>,
  { file, text, findings }: FoundInFile,
  source: boolean,
): string {
  const lines = source ? text.split(/\r?\n/) : [];
  return findings
    .toSorted((a, b) => a.start.line - b.start.line || a.start.character - b.start.character)
    .map((finding) => oneFinding(context, printable(file), finding, lines))
    .join('');
}

function oneFinding(
  { terminal, style }: Pick<CliContext, 'terminal' | 'style'>,
  file: string,
  { code, severity, message, start, end, related = [] }: FileFinding,
  lines: readonly string[],
): string {
  const colour = { error: style.bad, warning: style.warn, information: style.quiet }[severity];
  const place = `${file}:${start.line + 1}:${start.character + 1}`;
  const head = `${place}: ${colour(levelNames[severity])} ${code} ${printable(message)}\n`;
  const line = lines[start.line];
  const last = start.line === end.line ? end.character : (line?.length ?? 0);
  const mark =
    line === undefined ? '' : markedLine(line, start.line + 1, start.character, last, terminal.columns(), colour);
  const others = related.map(
    (other) =>
      `  ${printable(other.file)}:${other.line + 1}:${other.character + 1}: note: ${printable(other.message)}\n`,
  );
  return `${head}${mark}${others.join('')}`;
}

/** The line and a mark below it. Of a line that is too long only the part around the mark. */
function markedLine(
  line: string,
  number: number,
  start: number,
  end: number,
  columns: number,
  colour: (text: string) => string,
): string {
  const gutter = `${number}`;
  const room = Math.max(16, columns - gutter.length - 6);
  const from = start < room - 8 ? 0 : start - 8;
  const shown = printable(line.slice(from, from + room));
  const width = Math.max(1, Math.min(end - start, room - (start - from)));
  const blank = ' '.repeat(gutter.length);
  return `  ${gutter} | ${shown}\n  ${blank} | ${' '.repeat(start - from)}${colour('^'.repeat(width))}\n`;
}

/** Findings as GitHub's workflow commands, which it shows beside the lines of a pull request. */
export function findingsAsCommands({ file, findings }: FoundInFile): string {
  return findings.map((finding) => workflowCommand(file, finding)).join('');
}

const commandNames: Readonly<Record<PolicyFinding['severity'], string>> = {
  error: 'error',
  warning: 'warning',
  information: 'notice',
};

function workflowCommand(file: string, { code, severity, message, start, end }: FileFinding): string {
  const properties = {
    // Paths in a repository have slashes there, whatever the runner's system is.
    file: file.replaceAll('\\', '/'),
    line: start.line + 1,
    // GitHub takes columns only for one line.
    ...(start.line === end.line
      ? { col: start.character + 1, endLine: end.line + 1, endColumn: end.character + 1 }
      : { endLine: end.line + 1 }),
    title: code,
  };
  const written = Object.entries(properties).map(([name, value]) => `${name}=${escapeProperty(String(value))}`);
  return `::${commandNames[severity]} ${written.join(',')}::${escapeData(message)}\n`;
}

function escapeData(text: string): string {
  return text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
}

function escapeProperty(text: string): string {
  return escapeData(text).replaceAll(':', '%3A').replaceAll(',', '%2C');
}

/** Findings for programs: places count from 1, as in the other formats. */
export function findingsDocument({ file, findings }: FoundInFile): object {
  return {
    file,
    ...countFindings(findings),
    findings: findings.map(({ code, severity, message, start, end, related = [] }) => ({
      code,
      severity,
      message,
      line: start.line + 1,
      column: start.character + 1,
      endLine: end.line + 1,
      endColumn: end.character + 1,
      related: related.map((other) => ({
        file: other.file,
        line: other.line + 1,
        column: other.character + 1,
        message: other.message,
      })),
    })),
  };
}
