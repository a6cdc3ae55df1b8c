/** `tidemark policy validate`: checks files on this machine, with what a running daemon knows when there is one. */
import { relative } from 'node:path';
import { pathToFileURL } from 'node:url';

import { Option } from 'commander';
import type { Command } from 'commander';

import { matchesGlob } from '../../base/glob.ts';
import { hostNote } from '../../base/policy-inventory.ts';
import {
  checkPolicy,
  decodePolicy,
  diagnosticCodes,
  maxPolicyBytes,
  parsePolicy,
  positionsOf,
} from '../../policy/index.ts';
import type { OtherPolicy, PolicyDiagnostic, PolicySource } from '../../policy/index.ts';
import { errorCodes, TidemarkError } from '../../protocol/errors.ts';
import { globalOptions } from '../context.ts';
import type { CliContext, GlobalOptions } from '../context.ts';
import { countFindings, findingsAsCommands, findingsDocument, findingsText } from '../findings.ts';
import type { FileFinding, FindingCounts, FoundInFile } from '../findings.ts';
import { askDaemon } from '../known-names.ts';
import type { KnownNames } from '../known-names.ts';
import { policyFilesIn, readPolicyBytes } from '../policy-file.ts';
import { printable } from '../printable.ts';
import { count } from '../table.ts';

interface ValidateOptions {
  readonly format?: 'text' | 'json' | 'github';
  readonly strict: boolean;
  readonly offline: boolean;
}

/** Adds the command. */
export function addValidate(policy: Command, context: CliContext): void {
  policy
    .command('validate')
    .description(
      'check policy files; needs no daemon, and asks one that runs for the names of hosts, VMs and repositories',
    )
    .argument('<file...>', 'policy files, or folders with files named *.backup.yaml')
    .addOption(
      new Option('--format <format>', 'github: workflow commands, shown beside the lines of a pull request').choices([
        'text',
        'json',
        'github',
      ]),
    )
    .option('--strict', 'warnings fail as errors do', false)
    .option('--offline', 'do not ask a daemon', false)
    .addHelpText(
      'after',
      '\nIt exits with 0 when all files are valid, with 1 when one is not, with 2 when\none cannot be read.\n\nExample:\n  tidemark policy validate policies/ --format github --strict\n\nNext: tidemark policy plan FILE',
    )
    .action(async (paths: readonly string[], options: ValidateOptions, command: Command) => {
      const globals = globalOptions(command);
      const format = formatOf(options, globals);
      const { files, unreadable } = await readFiles(paths);
      const live = options.offline ? undefined : parsed(await askDaemon(context, globals));
      const found = files.map((file) => check(file, files, live));
      print(context, format, found, { live, notes: hostNotes(files, live) });
      fail(found, unreadable, options.strict);
    });
}

function formatOf({ format }: ValidateOptions, { json }: GlobalOptions): 'text' | 'json' | 'github' {
  if (json && format !== undefined && format !== 'json') {
    throw new TidemarkError(errorCodes.invalidUsage, `--json and --format ${format} do not fit together.`);
  }
  return json ? 'json' : (format ?? 'text');
}

/** A file that was read. */
interface PolicyFile {
  /** As it is shown. */
  readonly name: string;
  readonly uri: string;
  readonly source: PolicySource;
  readonly diagnostics: readonly PolicyDiagnostic[];
  /** Whether the rules can be asked. */
  readonly isText: boolean;
}

async function readFiles(
  paths: readonly string[],
): Promise<{ readonly files: readonly PolicyFile[]; readonly unreadable: readonly TidemarkError[] }> {
  const files = new Map<string, PolicyFile>();
  const unreadable: TidemarkError[] = [];
  for (const path of paths) {
    try {
      for (const file of await filesOf(path)) {
        const uri = pathToFileURL(file).href;
        if (!files.has(uri)) files.set(uri, policyFile(file, uri, await readPolicyBytes(file)));
      }
    } catch (error) {
      if (!TidemarkError.is(error)) throw error;
      unreadable.push(error);
    }
  }
  return { files: [...files.values()], unreadable };
}

async function filesOf(path: string): Promise<readonly string[]> {
  const inFolder = await policyFilesIn(path);
  if (inFolder?.length === 0) {
    throw new TidemarkError(errorCodes.invalidFile, `The folder ${path} holds no file named *.backup.yaml.`);
  }
  return inFolder ?? [path];
}

/** What cannot be a policy is reported as a finding, so that it has a place in every format. */
function policyFile(path: string, uri: string, bytes: Uint8Array): PolicyFile {
  const isLarge = bytes.byteLength > maxPolicyBytes;
  let text = '';
  let isText = !isLarge;
  try {
    if (!isLarge) text = decodePolicy(bytes, path);
  } catch (error) {
    if (!TidemarkError.is(error, errorCodes.policyInvalid)) throw error;
    text = new TextDecoder().decode(bytes);
    isText = false;
  }
  const source = parsePolicy(text);
  const tooLarge: PolicyDiagnostic = {
    code: diagnosticCodes.fileTooLarge,
    severity: 'error',
    message: `A policy has at most ${maxPolicyBytes / 1024} KiB. Is this the right file?`,
    range: { start: 0, end: 0 },
  };
  // What a parser says of bytes that are no text helps nobody.
  const notText = source.diagnostics.filter(({ code }) => code === diagnosticCodes.notText);
  const diagnostics = isLarge ? [tooLarge] : isText ? source.diagnostics : notText;
  return { name: shownPath(path), uri, source, diagnostics, isText };
}

/** Below the working directory relative to it, with slashes as in a repository; else as it is. */
function shownPath(path: string): string {
  const below = relative('.', path);
  return below === '' || below.startsWith('..') ? path : below.replaceAll('\\', '/');
}

/** What a daemon knows, or why it was not asked. */
type Live =
  | (Extract<KnownNames, { readonly inventory: unknown }> & { readonly applied: readonly OtherPolicy[] })
  | NotAsked;
type NotAsked = Extract<KnownNames, { readonly reason: string }>;

function parsed(known: KnownNames): Live {
  if ('reason' in known) return known;
  return { ...known, applied: known.texts.map((text) => ({ draft: parsePolicy(text).draft })) };
}

/** What is to be said of hosts that the files name and that are away. */
function hostNotes(files: readonly PolicyFile[], live: Live | undefined): readonly string[] {
  if (live === undefined || !('inventory' in live)) return [];
  const patterns = new Set(files.flatMap(({ source }) => (source.draft.select ?? []).map(({ host }) => host)));
  return live.inventory.hosts
    .filter(({ name }) => [...patterns].some((pattern) => matchesGlob(pattern, name)))
    .flatMap((host) => hostNote(host) ?? []);
}

function check(file: PolicyFile, files: readonly PolicyFile[], live: Live | undefined): FoundInFile {
  const { name, source, isText } = file;
  const known = live !== undefined && 'inventory' in live ? live : undefined;
  const named = new Set(files.map((other) => other.source.draft.name));
  // A file that names an applied policy is its next version.
  const onlyApplied = known?.applied.filter(({ draft }) => !named.has(draft.name)) ?? [];
  const others = [...otherFiles(file, files), ...onlyApplied];
  const context = { now: Date.now(), inventory: known?.inventory, others };
  const diagnostics = isText ? checkPolicy(source, context) : file.diagnostics;
  const findings = diagnostics
    // It is said once for all files.
    .filter(({ code }) => code !== diagnosticCodes.notChecked)
    .toSorted((a, b) => a.range.start - b.range.start)
    .map((diagnostic) => findingOf(diagnostic, file, files));
  return { file: name, text: source.text, findings };
}

function otherFiles(file: PolicyFile, files: readonly PolicyFile[]): readonly OtherPolicy[] {
  const at = files.indexOf(file);
  return files.flatMap(({ uri, source, isText }, index): readonly OtherPolicy[] => {
    if (index === at || !isText) return [];
    // That two files take in the same VM is said once, of the later one.
    const { select: _, ...withoutVms } = source.draft;
    return [{ uri, draft: index < at ? source.draft : withoutVms, source }];
  });
}

function findingOf(
  { code, severity, message, range, related = [] }: PolicyDiagnostic,
  file: PolicyFile,
  files: readonly PolicyFile[],
): FileFinding {
  const position = positionsOf(file.source.text);
  return {
    code,
    severity,
    message,
    start: position(range.start),
    end: position(range.end),
    related: related.flatMap((other) => {
      const there = other.uri === undefined ? file : files.find(({ uri }) => uri === other.uri);
      if (there === undefined) return [];
      const { line, character } = positionsOf(there.source.text)(other.range.start);
      return [{ file: there.name, line, character, message: other.message }];
    }),
  };
}

function print(
  context: CliContext,
  format: 'text' | 'json' | 'github',
  found: readonly FoundInFile[],
  { live, notes }: { readonly live: Live | undefined; readonly notes: readonly string[] },
): void {
  const { terminal, style } = context;
  const counts = countFindings(found.flatMap(({ findings }) => findings));
  if (format === 'json') {
    const document = {
      ...counts,
      namesChecked: live !== undefined && 'inventory' in live,
      notes,
      files: found.map(findingsDocument),
    };
    terminal.out(`${JSON.stringify(document, undefined, 2)}\n`);
    return;
  }
  for (const file of found) {
    terminal.out(format === 'github' ? findingsAsCommands(file) : findingsText(context, file, terminal.outInteractive));
  }
  if (counts.errors === 0 && found.length > 0) terminal.out(`${validText(found.length, counts)}\n`);
  for (const note of notes) terminal.error(`${style.quiet('note')}: ${printable(note)}\n`);
  if (live !== undefined && 'reason' in live) {
    terminal.error(`${style.quiet('note')}: names of hosts, VMs and repositories were not checked. ${live.reason}\n`);
  }
}

function validText(files: number, { warnings }: FindingCounts): string {
  const valid = files === 1 ? 'The policy is valid' : `${files} policies are valid`;
  return warnings === 0 ? `${valid}.` : `${valid}, with ${count(warnings, 'warning')}.`;
}

/** Throws what the command ends with, if it does not end well. */
function fail(found: readonly FoundInFile[], unreadable: readonly TidemarkError[], strict: boolean): void {
  if (unreadable.length > 0) {
    throw new TidemarkError(errorCodes.invalidUsage, unreadable.map(({ message }) => message).join('\n'), {
      hint: unreadable.find(({ hint }) => hint !== undefined)?.hint ?? 'Check the path.',
    });
  }
  const { errors, warnings } = countFindings(found.flatMap(({ findings }) => findings));
  if (errors === 0 && !(strict && warnings > 0)) return;
  const failing = found.filter(({ findings }) => {
    const counts = countFindings(findings);
    return counts.errors > 0 || (strict && counts.warnings > 0);
  });
  const what = [
    ...(errors > 0 ? [count(errors, 'error')] : []),
    ...(strict && warnings > 0 ? [count(warnings, 'warning')] : []),
  ].join(' and ');
  const where = found.length === 1 ? (failing[0]?.file ?? '') : `${failing.length} of ${found.length} files`;
  throw new TidemarkError(errorCodes.policyInvalid, `${what} in ${where}.`, {
    hint: errors > 0 ? 'Nothing of a policy with errors is carried out.' : 'Without --strict, warnings do not fail.',
  });
}
