/** What the doctor finds. */
import type { VmId } from '../../../protocol/ids.ts';

/** `problem`: something is broken, or data will not be backed up. `warning`: worth knowing, and it may become a problem. `skipped`: could not be looked at, the sentence says why. */
export type FindingState = 'ok' | 'warning' | 'problem' | 'skipped';

/** One thing that was looked at. */
export interface Finding {
  /** Stable: `vm-merge-lock`. */
  readonly id: string;
  readonly area: 'host' | 'vm' | 'agent';
  readonly state: FindingState;
  /** One sentence. */
  readonly sentence: string;
  /** What to do; there for problems and warnings. */
  readonly remedy?: string;
  /** The VM that it is about. */
  readonly vm?: { readonly id: VmId; readonly name: string };
}

/** Fills in what all findings of a check have in common. */
export interface Check {
  readonly ok: (sentence: string) => Finding;
  readonly skipped: (reason: string) => Finding;
  readonly warning: (sentence: string, remedy: string) => Finding;
  readonly problem: (sentence: string, remedy: string) => Finding;
}

/** The findings of the check `id`. */
export function check(area: Finding['area'], id: string, vm?: Finding['vm']): Check {
  const found = (state: FindingState, sentence: string, remedy?: string): Finding => ({
    id,
    area,
    state,
    sentence,
    ...(remedy !== undefined && { remedy }),
    ...(vm !== undefined && { vm }),
  });
  return {
    ok: (sentence) => found('ok', sentence),
    skipped: (reason) => found('skipped', reason),
    warning: (sentence, remedy) => found('warning', sentence, remedy),
    problem: (sentence, remedy) => found('problem', sentence, remedy),
  };
}

/** Of findings about VMs: how many VMs have problems, warnings, or neither. */
export interface VmCounts {
  readonly total: number;
  readonly withProblems: number;
  readonly withWarnings: number;
  readonly fine: number;
}

/** Counts VMs by the worst that was found of them. */
export function countVms(total: number, findings: readonly Finding[]): VmCounts {
  const of = (state: FindingState): ReadonlySet<VmId> =>
    new Set(findings.flatMap((finding) => (finding.state === state && finding.vm ? [finding.vm.id] : [])));
  const problems = of('problem');
  const warnings = [...of('warning')].filter((id) => !problems.has(id));
  return {
    total,
    withProblems: problems.size,
    withWarnings: warnings.length,
    fine: Math.max(0, total - problems.size - warnings.length),
  };
}
