/** TM7201: a cron expression that no day fulfils. An error: the runs that it asks for cannot be. */
import { diagnosticCodes } from '../diagnostic.ts';
import { neverFires } from '../schedule/cron-facts.ts';
import { cronFields } from '../schedule/cron-fields.ts';
import { withFields } from './cron-text.ts';
import { fixOf, replaceText } from './edits.ts';
import { finding } from './finding.ts';
import { monthList } from './months.ts';
import type { Rule } from './rule.ts';

export const cronNeverFires: Rule = (source) =>
  (source.draft.schedule ?? []).flatMap(({ cron }, index) => {
    if (!neverFires(cron)) return [];
    const { daysBy, days, months } = cronFields(cron);
    const path = ['schedule', index, 'cron'];
    const byMonth = daysBy === 'month' && days.length > 0;
    const lastDay = byMonth ? withFields(cron, { day: 'L' }) : undefined;
    const why = byMonth ? `: there is no day ${days.join(' or ')} in ${monthList(months)}` : '';
    return [
      finding(source, {
        code: diagnosticCodes.cronNeverFires,
        severity: 'error',
        message: `These runs never come${why}.`,
        path,
        fixes:
          lastDay === undefined
            ? []
            : fixOf(`Change to the last day of the month: "${lastDay}"`, [replaceText(source, path, lastDay)], true),
      }),
    ];
  });
