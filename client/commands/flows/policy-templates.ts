/** New policy files: complete, and safe to apply as they are once the names fit. */
import { l10n } from '../../base/l10n.ts';

export interface PolicyStart {
  readonly name: string;
  readonly repository?: string | undefined;
  readonly host?: string | undefined;
  /** Of the IANA time zone database. */
  readonly timezone: string;
}

/** What a new policy begins with. */
export interface PolicyTemplate {
  readonly id: 'nightly' | 'hourly' | 'host' | 'archive';
  readonly label: string;
  readonly detail: string;
  /** The name that is proposed. */
  readonly name: string;
}

/** The templates, the most usual one first. */
export const policyTemplates = (): readonly PolicyTemplate[] => [
  {
    id: 'nightly',
    label: l10n.t('Every night'),
    detail: l10n.t('Some VMs at 02:00; two weeks of days, then weeks and months'),
    name: 'nightly',
  },
  {
    id: 'hourly',
    label: l10n.t('Every hour, with a weekly full'),
    detail: l10n.t('For what changes all day: a day of hours is kept, and each Sunday everything is read again'),
    name: 'hourly',
  },
  {
    id: 'host',
    label: l10n.t('Everything on a host'),
    detail: l10n.t('All VMs of a host, also those that are made later'),
    name: 'everything',
  },
  {
    id: 'archive',
    label: l10n.t('Monthly archive'),
    detail: l10n.t('A full on the first day of each month, kept for years and read back after the run'),
    name: 'archive',
  },
];

/** Why `text` cannot name a policy: lower-case letters, digits and dashes. */
export function policyNameProblem(text: string): string | undefined {
  return /^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$/.test(text)
    ? undefined
    : l10n.t('Use lower-case letters, digits and dashes, at most 64, no dash at either end.');
}

/** Words that YAML reads as something else than a text. */
const notText = /^(?:true|false|null|yes|no|on|off|y|n)$/i;

/** A name as YAML reads it back: names have no character that needs more than quotes. */
const scalar = (name: string): string => (/^[A-Za-z]/.test(name) && !notText.test(name) ? name : `"${name}"`);

/** The file. */
export function policyFromTemplate(
  id: PolicyTemplate['id'],
  { name, repository = 'main', host = 'hv01', timezone }: PolicyStart,
): string {
  const { description, rest } = bodies[id]({ host: scalar(host), timezone });
  return `name: ${scalar(name)}\ndescription: ${description}\nrepository: ${scalar(repository)}\n${rest}`;
}

type Body = (start: { readonly host: string; readonly timezone: string }) => {
  readonly description: string;
  readonly rest: string;
};

const select = (host: string, vms: string): string => `select:\n  - host: ${host}\n    vms: [${vms}]\n`;
const entry = (cron: string, timezone: string, type: 'incremental' | 'full'): string =>
  `  - cron: "${cron}"\n    timezone: ${timezone}\n    type: ${type}\n`;

const bodies: Readonly<Record<PolicyTemplate['id'], Body>> = {
  nightly: ({ host, timezone }) => ({
    description: 'Every night',
    rest: `${select(host, '"*"')}consistency: application-or-crash
schedule:
${entry('0 2 * * *', timezone, 'incremental')}retention: { keepLast: 3, keepDaily: 14, keepWeekly: 8, keepMonthly: 12 }
`,
  }),
  hourly: ({ host, timezone }) => ({
    description: 'Every hour, and everything again on Sunday',
    rest: `${select(host, '"*"')}consistency: application-or-crash
schedule:
${entry('0 * * * *', timezone, 'incremental')}${entry('30 3 * * SUN', timezone, 'full')}overlap: skip
retention: { keepHourly: 24, keepDaily: 7, keepWeekly: 4 }
`,
  }),
  host: ({ host, timezone }) => ({
    description: `Everything on ${host}`,
    rest: `${select(host, '"*"')}consistency: application-or-crash
schedule:
${entry('0 22 * * *', timezone, 'incremental')}window: { from: "22:00", to: "06:00" }
retention: { keepLast: 3, keepDaily: 7, keepWeekly: 4, keepMonthly: 6 }
retry: { attempts: 3, delay: 10m }
`,
  }),
  archive: ({ host, timezone }) => ({
    description: 'Monthly archive',
    rest: `${select(host, '"*"')}consistency: application-or-crash
schedule:
${entry('0 3 1 * *', timezone, 'full')}retention: { keepMonthly: 24, keepYearly: 10 }
verify: after-backup
`,
  }),
};
