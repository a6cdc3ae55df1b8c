/** The text of an issue report: what helps to find a defect, without what is private. */
import { redact } from '../../../server/base/log.ts';
import { l10n } from '../../base/l10n.ts';

export interface IssueFacts {
  readonly versions: Readonly<Record<string, string>>;
  /** Those that differ from their defaults. */
  readonly settings: Readonly<Record<string, unknown>>;
  readonly connection: string;
  readonly counts: Readonly<Record<string, number>>;
  readonly extensionLog: string;
  readonly daemonLog: string;
  /** Texts to blank wherever they are: the home folder, the user's name. */
  readonly privateTexts: readonly string[];
}

/** Lines of each log. */
const maxLines = 150;

/** The report, in Markdown. */
export function issueReport(facts: IssueFacts): string {
  const { versions, settings, connection, counts, extensionLog, daemonLog } = facts;
  const rows = (values: Readonly<Record<string, unknown>>): readonly string[] =>
    Object.entries(values).map(
      ([name, value]) => `- ${name}: ${typeof value === 'string' ? value : JSON.stringify(value)}`,
    );
  const text = [
    `# ${l10n.t('Tidemark issue')}`,
    '',
    `<!-- ${l10n.t('Read this through and take out what nobody should see. Nothing is sent by itself. Secrets, your name and your home folder are blanked; names of hosts and VMs in the logs are not.')} -->`,
    '',
    `## ${l10n.t('What happened, and what did you expect?')}`,
    '',
    '',
    `## ${l10n.t('How can it be seen again?')}`,
    '',
    '1. ',
    '',
    `## ${l10n.t('Versions')}`,
    '',
    ...rows(versions),
    '',
    `## ${l10n.t('State')}`,
    '',
    `- ${l10n.t('connection')}: ${connection}`,
    ...rows(counts),
    '',
    `## ${l10n.t('Changed settings')}`,
    '',
    ...(Object.keys(settings).length === 0 ? [l10n.t('none')] : rows(settings)),
    '',
    ...logSection(l10n.t('Log of the extension'), extensionLog),
    ...logSection(l10n.t('Log of the daemon'), daemonLog),
  ].join('\n');
  return withoutSecrets(text, facts.privateTexts);
}

function logSection(title: string, log: string): readonly string[] {
  const lines = log.trimEnd().split('\n').slice(-maxLines);
  if (lines.every((line) => line.trim() === '')) return [];
  // A fence of its own length: a log may hold one.
  return [`## ${title}`, '', '````text', ...lines.map((line) => line.replaceAll('````', "'''")), '````', ''];
}

/** Random enough to be a key: long runs of digits and letters of base 16, 32 or 64, and groups as recovery keys have them. */
const keyLike = [
  /\b[A-Z2-7]{4}(?:[- ][A-Z2-7]{4}){5,}\b/g,
  /\b[0-9a-fA-F]{32,}\b/g,
  /\b[0-9a-fA-F]{2}(?::[0-9a-fA-F]{2}){15,}\b/g,
  /(?<![\w/+=-])(?=[\w/+-]*\d)(?=[\w/+-]*[A-Z])(?=[\w/+-]*[a-z])[\w+-]{32,}={0,2}(?![\w/+=-])/g,
];

/** Blanks secrets, what looks like a key, and the private texts. */
export function withoutSecrets(text: string, privateTexts: readonly string[]): string {
  let safe = redact(text);
  for (const pattern of keyLike) safe = safe.replaceAll(pattern, '<redacted>');
  // The longest first: a home folder holds the name.
  for (const secret of privateTexts.filter(({ length }) => length > 2).toSorted((a, b) => b.length - a.length)) {
    const isPath = /[\\/]/.test(secret);
    // A name is blanked as a word: `al` is in many.
    const place = new RegExp(isPath ? escaped(secret) : `\\b${escaped(secret)}\\b`, 'g');
    safe = safe.replaceAll(place, isPath ? '~' : '<user>');
  }
  return safe;
}

const escaped = (text: string): string => text.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&');
