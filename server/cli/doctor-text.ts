/** What the doctor of an agent says, for people: problems first, what is fine only counted. */
import { paragraph } from './fold.ts';
import type { CliContext } from './context.ts';
import { printable } from './printable.ts';

/** A finding, as `server/agent/hyperv/doctor` gives it. */
export interface DoctorFinding {
  readonly id: string;
  readonly state: 'ok' | 'warning' | 'problem' | 'skipped';
  readonly sentence: string;
  readonly remedy?: string;
  readonly vm?: { readonly id: string; readonly name: string };
}

/** The whole of it. */
export interface DoctorResult {
  readonly host: { readonly name: string; readonly osName: string; readonly build: number } | null;
  readonly vms: {
    readonly total: number;
    readonly withProblems: number;
    readonly withWarnings: number;
    readonly fine: number;
  };
  readonly counts: {
    readonly problems: number;
    readonly warnings: number;
    readonly skipped: number;
    readonly ok: number;
  };
  readonly findings: readonly DoctorFinding[];
}

/** VMs that are named for one finding; with more of them the number is of more use than the names. */
const maxNamed = 10;

type Surroundings = Pick<CliContext, 'terminal' | 'style'>;

/** The text. */
export function doctorText(context: Surroundings, result: DoctorResult): string {
  const { findings, counts, vms, host } = result;
  const of = (state: DoctorFinding['state']): readonly DoctorFinding[] =>
    findings.filter((finding) => finding.state === state);
  const { style } = context;
  const parts = [
    host === null ? '' : `${printable(host.name)}: ${printable(host.osName)}, build ${host.build}\n`,
    section(context, style.bad('Problems'), of('problem')),
    section(context, style.warn('Warnings'), of('warning')),
    section(context, style.quiet('Not looked at'), of('skipped')),
    summary(counts, vms),
  ];
  return parts.filter((part) => part !== '').join('\n');
}

function summary(counts: DoctorResult['counts'], vms: DoctorResult['vms']): string {
  const verdict =
    counts.problems > 0
      ? `${some(counts.problems, 'problem')}, ${some(counts.warnings, 'warning')}.`
      : counts.warnings > 0
        ? `No problems, ${some(counts.warnings, 'warning')}.`
        : 'No problems and no warnings.';
  const ofVms = vms.total === 0 ? '' : ` ${vms.fine.toLocaleString('en')} of ${some(vms.total, 'VM')} have neither.`;
  return `${verdict}${ofVms} ${some(counts.ok, 'check')} found nothing wrong.\n`;
}

function some(count: number, what: string): string {
  return `${count.toLocaleString('en')} ${what}${count === 1 ? '' : 's'}`;
}

/** Findings that say the same of several VMs stand together, and what to do stands below them once. */
function section(context: Surroundings, title: string, findings: readonly DoctorFinding[]): string {
  if (findings.length === 0) return '';
  const groups = Map.groupBy(findings, ({ id, remedy = '' }) => `${id} ${remedy}`);
  return `${title}\n${[...groups.values()].map((group) => groupText(context, group)).join('')}`;
}

function groupText({ terminal, style }: Surroundings, group: readonly DoctorFinding[]): string {
  const [{ remedy } = { remedy: undefined }] = group;
  const lines = group.slice(0, maxNamed).map(({ vm, sentence }) => {
    const subject = vm === undefined ? '' : `${printable(vm.name)}: `;
    return hanging(terminal, `- ${subject}${printable(sentence)}`);
  });
  const more = group.length - maxNamed;
  if (more > 0) lines.push(`  - and the same for ${some(more, 'more VM')} (--json lists all)\n`);
  if (remedy !== undefined) lines.push(style.quiet(paragraph(terminal, `What to do: ${remedy}`, '    ')));
  return lines.join('');
}

function hanging(terminal: Surroundings['terminal'], text: string): string {
  return `  ${paragraph(terminal, text, '    ').trimStart()}`;
}
