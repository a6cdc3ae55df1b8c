/** Whole policies, for an empty file. */
import { CompletionItemKind } from 'vscode-languageserver';

import type { LanguageContext } from '../context.ts';
import type { Cursor } from '../syntax/cursor.ts';
import { writtenText } from '../../policy/schema/write.ts';
import { placeholder } from './offer.ts';
import type { Offer } from './offer.ts';
import { firstHost } from './snippets.ts';

/** Offered where the keys of the policy itself can be written. */
export function templates({ places }: Cursor, context: LanguageContext): readonly Offer[] {
  if (!places.some((place) => place.kind === 'key' && place.path.length === 0 && place.column === 0)) return [];
  const repository = writtenText(context.inventory?.repositories[0]?.name ?? 'main');
  const head = [
    `name: ${placeholder(1, 'nightly')}`,
    `repository: ${placeholder(2, repository)}`,
    'select:',
    `  - host: ${placeholder(3, firstHost(context))}`,
    `    vms: [${placeholder(4, '"*"')}]`,
  ];
  return [
    {
      label: 'policy: every night, with retention',
      kind: CompletionItemKind.File,
      filter: 'policy nightly retention name',
      documentation: () => 'Incremental from Monday to Saturday, full on Sunday; keeps days, weeks and months.',
      text: [
        ...head,
        'consistency: application-or-crash',
        `timezone: ${placeholder(5, Intl.DateTimeFormat().resolvedOptions().timeZone)}`,
        'schedule:',
        `  - cron: "${placeholder(6, '0 2 * * MON-SAT')}"`,
        '    type: incremental',
        `  - cron: "${placeholder(7, '0 2 * * SUN')}"`,
        '    type: full',
        `retention: { keepLast: ${placeholder(8, '3')}, keepDaily: ${placeholder(9, '14')}, keepWeekly: ${placeholder(10, '8')}, keepMonthly: ${placeholder(11, '12')} }`,
        '',
      ].join('\n'),
      snippet: true,
    },
    {
      label: 'policy: by hand',
      kind: CompletionItemKind.File,
      filter: 'policy by hand name',
      documentation: () => 'Runs when somebody starts it, and deletes nothing.',
      text: [...head, ''].join('\n'),
      snippet: true,
    },
  ];
}
