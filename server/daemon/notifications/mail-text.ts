/** What mails say: a subject and plain text. */
import { formatBytes, formatDuration } from '../../base/format.ts';
import { oneLine } from '../../base/one-line.ts';
import type { PolicyRunVm, RunInfo } from '../../protocol/daemon.ts';
import { errorCodes } from '../../protocol/errors.ts';
import { json, object, string } from '../../protocol/parse.ts';
import type { Parsed } from '../../protocol/parse.ts';
import type { RunEnded, Sender, ToldError } from './message.ts';
import { durationOf, policyOutcome, resultOf, totalsOf, worstFirst } from './run-result.ts';

const mailText = object({ subject: string({ maxLength: 1024 }), text: string({ maxLength: 4 * 1024 * 1024 }) });
/** A mail without its addresses. */
export type MailText = Parsed<typeof mailText>;

/** The mail that the outbox keeps as JSON. */
export function parseMail(body: string): MailText {
  return json(body, mailText, 'mail');
}

/** VMs of a mail: what a person reads before opening the report. */
const maxVms = 100;
const maxWarnings = 20;
const maxSubjectLength = 200;

/** The mail about the end of a run. */
export function runEndedMail(ended: RunEnded): MailText {
  const { run, policy, version, repository, sender } = ended;
  const outcome = policyOutcome(run);
  const vms = worstFirst(outcome?.vms ?? []);
  const lines = [
    `${headline(ended)}.`,
    '',
    `Policy      ${policy}${version === undefined ? '' : `, version ${version}`}`,
    `Repository  ${repository}`,
    `Daemon      ${oneLine(sender.machine, 256)}`,
    `Run         ${run.id}, ${run.state}`,
    ...timesOf(run),
    ...(vms.length > 0 ? [`Read        ${sizesOf(vms)}`] : []),
    ...errorLines('', run.error),
    ...run.warnings.slice(0, maxWarnings).map((warning) => `Warning: ${oneLine(warning, 1000)}`),
    ...vmLines(vms),
    ...afterwards(ended),
    '',
    `The whole report: tidemark run report ${run.id}`,
  ];
  return { subject: oneLine(`[Tidemark] ${headline(ended)}`, maxSubjectLength), text: `${lines.join('\n')}\n` };
}

/** The mail of a test. */
export function testMail(sender: Sender): MailText {
  return {
    subject: '[Tidemark] Test of mails',
    text: `The Tidemark daemon on ${oneLine(sender.machine, 256)} can send mails.\nNothing needs to be done.\n`,
  };
}

/** `nightly-sql failed: 2 of 14 VMs`. */
export function headline({ run, policy }: Pick<RunEnded, 'run' | 'policy'>): string {
  const { total, failed, succeeded } = totalsOf(policyOutcome(run)?.vms ?? []);
  const all = total === 1 ? '1 VM' : `${total} VMs`;
  if (resultOf(run) === 'failure') {
    if (failed > 0) return `${policy} failed: ${failed} of ${all}`;
    const damage = policyOutcome(run)?.verification?.problems ?? 0;
    if (damage > 0) return `${policy} found damage in ${damage === 1 ? 'one place' : `${damage} places`}`;
    if (run.error?.code === errorCodes.policyRunLeftOut) return `${policy} did not run when it was due`;
    return `${policy} ${run.state === 'interrupted' ? 'was interrupted' : 'failed'}`;
  }
  if (run.state === 'cancelled') return `${policy} was cancelled: ${succeeded} of ${all} backed up`;
  if (succeeded < total) return `${policy} backed up ${succeeded} of ${all}`;
  return resultOf(run) === 'warning' ? `${policy} succeeded with warnings: ${all}` : `${policy} succeeded: ${all}`;
}

function timesOf(run: RunInfo): readonly string[] {
  const duration = durationOf(run);
  return [
    ...(run.startedAt === undefined ? [] : [`Started     ${run.startedAt}`]),
    ...(run.finishedAt === undefined ? [] : [`Ended       ${run.finishedAt}`]),
    ...(duration === undefined ? [] : [`Took        ${formatDuration(duration)}`]),
  ];
}

function sizesOf(vms: readonly PolicyRunVm[]): string {
  const { readBytes, storedBytes } = totalsOf(vms);
  return `${formatBytes(readBytes)}, of which ${formatBytes(storedBytes)} were new and stored`;
}

function vmLines(vms: readonly PolicyRunVm[]): readonly string[] {
  if (vms.length === 0) return [];
  const shown = vms.slice(0, maxVms);
  const rest = vms.length - shown.length;
  return ['', 'VMs:', ...shown.flatMap(linesOfVm), ...(rest > 0 ? [`  and ${rest} more`] : [])];
}

function linesOfVm(vm: PolicyRunVm): readonly string[] {
  const name = oneLine(vm.host === undefined ? vm.vm : `${vm.host}/${vm.vm}`, 300);
  const figures = vm.result === 'succeeded' ? `, ${formatBytes(vm.readBytes)} in ${formatDuration(vm.durationMs)}` : '';
  const attempts = vm.attempts > 1 ? `, ${vm.attempts} attempts` : '';
  return [
    `  ${vm.result.padEnd(9)}  ${name}${figures}${attempts}`,
    ...(vm.reason === undefined ? [] : [`             ${oneLine(vm.reason, 1000)}`]),
    ...errorLines('             ', vm.error),
    ...vm.warnings.slice(0, maxWarnings).map((warning) => `             Warning: ${oneLine(warning, 1000)}`),
  ];
}

function errorLines(indent: string, error: ToldError | undefined): readonly string[] {
  if (error === undefined) return [];
  const hint = error.hint === undefined ? [] : [`${indent}${oneLine(error.hint, 1000)}`];
  return [`${indent}${error.code}: ${oneLine(error.message, 1000)}`, ...hint];
}

/** Retention and verification. */
function afterwards({ run }: RunEnded): readonly string[] {
  const { retention, verification } = policyOutcome(run) ?? {};
  const lines: string[] = [];
  if (retention !== undefined) {
    lines.push('', `Retention: ${retention.removed.length} restore points removed, ${retention.kept} kept.`);
    lines.push(...errorLines('', retention.error));
  }
  if (verification !== undefined) {
    const { restorePoints, problems } = verification;
    const found = problems === 0 ? 'no damage' : `damage in ${problems === 1 ? 'one place' : `${problems} places`}`;
    lines.push('', `Verification: ${restorePoints} restore points checked, ${found}.`);
    lines.push(...errorLines('', verification.error));
  }
  return lines;
}
