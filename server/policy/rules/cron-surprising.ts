/** TM7203: a cron expression that says something else than most people read. */
import { diagnosticCodes } from '../diagnostic.ts';
import type { Fix } from '../diagnostic.ts';
import { firesOnEitherDay, monthsTooShort, neverFires } from '../schedule/cron-facts.ts';
import { cronFields } from '../schedule/cron-fields.ts';
import type { PolicySource } from '../source.ts';
import { cronText, withFields } from './cron-text.ts';
import type { CronText } from './cron-text.ts';
import { fixOf, replaceText } from './edits.ts';
import { finding } from './finding.ts';
import { monthList } from './months.ts';
import type { Rule } from './rule.ts';

interface Surprise {
  readonly message: string;
  readonly changes: readonly {
    readonly title: string;
    readonly fields: Partial<CronText>;
    readonly preferred?: boolean;
  }[];
}

export const cronSurprising: Rule = (source) =>
  (source.draft.schedule ?? []).flatMap(({ cron }, index) =>
    surprises(cron).map(({ message, changes }) => {
      const path = ['schedule', index, 'cron'];
      return finding(source, {
        code: diagnosticCodes.cronSurprising,
        severity: 'warning',
        message,
        path,
        fixes: changes.flatMap(({ title, fields, preferred }) =>
          change(source, path, { cron, title, fields, preferred }),
        ),
      });
    }),
  );

function surprises(cron: string): readonly Surprise[] {
  const text = cronText(cron);
  // One that never fires is a finding of its own.
  if (text === undefined || neverFires(cron)) return [];
  return [eitherDay, shortMonths, everyMinute, unevenStep].flatMap((find) => find(cron, text) ?? []);
}

function eitherDay(cron: string, { weekday }: CronText): Surprise | undefined {
  if (!firesOnEitherDay(cron)) return undefined;
  return {
    message:
      'This runs on each of these days of the month and on each of these days of the week, not only when both are met.',
    changes: [
      { title: 'Run when both are met', fields: { weekday: `+${weekday}` }, preferred: true },
      { title: 'Run on these days of the week', fields: { day: '*' } },
      { title: 'Run on these days of the month', fields: { weekday: '*' } },
    ],
  };
}

function shortMonths(cron: string, { day }: CronText): Surprise | undefined {
  const months = monthsTooShort(cron);
  if (months.length === 0) return undefined;
  const onlyLeapYears = months.length === cronFields(cron).months.length;
  return {
    message: onlyLeapYears
      ? 'February has that day only in leap years: there is no run in the others.'
      : `There is no run in ${monthList(months)}: ${months.length === 1 ? 'it has' : 'they have'} no day ${day}.`,
    changes: [{ title: 'Run on the last day of the month', fields: { day: 'L' }, preferred: true }],
  };
}

function everyMinute(cron: string, { minute }: CronText): Surprise | undefined {
  const { hours } = cronFields(cron);
  if (minute !== '*' || hours.length === 24) return undefined;
  return {
    message: 'This runs in every minute of the hours that it names.',
    changes: [{ title: 'Run once in the hour', fields: { minute: '0' }, preferred: true }],
  };
}

const minutesPerHour = 60;
const hoursPerDay = 24;

/** Steps count from the beginning of the hour or day: with a step of 45 minutes at 0 and 45. */
function unevenStep(_cron: string, { minute, hour }: CronText): Surprise | undefined {
  const uneven = unevenSteps(minute, minutesPerHour) ?? unevenSteps(hour, hoursPerDay);
  if (uneven === undefined) return undefined;
  const { whole, step, rest } = uneven;
  const [unit, span] = whole === minutesPerHour ? ['minutes', 'hour'] : ['hours', 'day'];
  return {
    message: `The steps begin anew with each ${span}: the last one is ${rest} ${unit} long, not ${step}.`,
    changes: [],
  };
}

function unevenSteps(field: string, whole: number) {
  const step = Number(/^\*\/(\d+)$/.exec(field)?.[1]);
  const rest = whole % step;
  return step > 1 && step < whole && rest !== 0 ? { whole, step, rest } : undefined;
}

function change(
  source: PolicySource,
  path: readonly (string | number)[],
  options: {
    readonly cron: string;
    readonly title: string;
    readonly fields: Partial<CronText>;
    readonly preferred?: boolean | undefined;
  },
): readonly Fix[] {
  const { cron, title, fields, preferred = false } = options;
  const changed = withFields(cron, fields);
  return changed === undefined ? [] : fixOf(`${title}: "${changed}"`, [replaceText(source, path, changed)], preferred);
}
