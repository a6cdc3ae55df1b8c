/** A new policy file: complete and safe to change. */
import { l10n } from '../../base/l10n.ts';

export interface PolicyStart {
  readonly name: string;
  readonly repository?: string | undefined;
  readonly host?: string | undefined;
  /** Of the IANA time zone database. */
  readonly timezone: string;
}

/** Why `text` cannot name a policy: lower-case letters, digits and dashes. */
export function policyNameProblem(text: string): string | undefined {
  return /^[a-z0-9][a-z0-9-]{0,63}$/.test(text)
    ? undefined
    : l10n.t('Use lower-case letters, digits and dashes, at most 64, the first one no dash.');
}

/** The file. All values are plain YAML scalars: names that reach here have no character that YAML would read otherwise. */
export function starterPolicy({ name, repository = 'main', host = 'hv01', timezone }: PolicyStart): string {
  return `name: ${name}
repository: ${repository}
select:
  - host: ${host}
    vms: ["*"]
consistency: application-or-crash
schedule:
  - cron: "0 2 * * *"
    timezone: ${timezone}
    type: incremental
retention: { keepLast: 3, keepDaily: 14, keepWeekly: 8, keepMonthly: 12 }
`;
}
