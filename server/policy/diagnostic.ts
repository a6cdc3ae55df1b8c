/** What is wrong with a policy file, where, and how it can be mended. */

/**
 * Codes of diagnostics. TM71xx is about the text alone, TM72xx about what it means, TM73xx about what it says of hosts, VMs and
 * repositories. A code never changes its meaning; docs/policies.md explains each.
 */
export const diagnosticCodes = {
  yamlSyntax: 'TM7101',
  fileTooLarge: 'TM7102',
  notText: 'TM7103',
  yamlFeature: 'TM7104',
  severalDocuments: 'TM7105',
  duplicateKey: 'TM7106',
  unknownKey: 'TM7107',
  missingKey: 'TM7108',
  wrongType: 'TM7109',
  valueNotAllowed: 'TM7110',
  invalidCron: 'TM7111',
  unknownTimezone: 'TM7112',
  tabIndent: 'TM7113',
  cronNeverFires: 'TM7201',
  cronSkippedHour: 'TM7202',
  cronSurprising: 'TM7203',
  windowNeverOpen: 'TM7204',
  retentionKeepsNothing: 'TM7206',
  retentionUnreachable: 'TM7207',
  duplicatePolicyName: 'TM7208',
  noSchedule: 'TM7209',
  scheduleTwice: 'TM7210',
  windowEmpty: 'TM7211',
  webhookNotSecure: 'TM7212',
  unknownHost: 'TM7301',
  unknownVm: 'TM7302',
  nothingSelected: 'TM7303',
  unknownDisk: 'TM7304',
  unknownRepository: 'TM7305',
  vmInTwoPolicies: 'TM7306',
  excludedDiskIsCopied: 'TM7307',
  vmTooOld: 'TM7308',
  diskNotTracked: 'TM7309',
  notChecked: 'TM7310',
  nothingExcluded: 'TM7311',
} as const;

/** A stable code of a diagnostic, such as `TM7107`. */
export type DiagnosticCode = (typeof diagnosticCodes)[keyof typeof diagnosticCodes];

/** `error`: the policy is refused. `warning`: it is carried out, and may not do what was meant. */
export type Severity = 'error' | 'warning' | 'information';

/** Part of a text, as offsets in UTF-16 units; `end` is behind the last. */
export interface TextRange {
  readonly start: number;
  readonly end: number;
}

/** Another place that a diagnostic is about. */
export interface RelatedPlace {
  /** The file; the diagnostic's own when absent. */
  readonly uri?: string;
  readonly range: TextRange;
  readonly message: string;
}

/** A change that mends what a diagnostic is about. */
export interface Fix {
  /** What it does, for people: `Change to "sql-01"`. */
  readonly title: string;
  /** Not overlapping. */
  readonly edits: readonly { readonly range: TextRange; readonly text: string }[];
  /** The one that is most likely meant. */
  readonly preferred?: boolean;
}

/** One finding. */
export interface PolicyDiagnostic {
  readonly code: DiagnosticCode;
  readonly severity: Severity;
  /** One or two sentences for people. */
  readonly message: string;
  readonly range: TextRange;
  readonly related?: readonly RelatedPlace[];
  readonly fixes?: readonly Fix[];
}
