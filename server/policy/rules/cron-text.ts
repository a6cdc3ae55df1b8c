/** Changes to a cron expression as it is written. Undefined where it is not written in five fields that allow it. */

/** The five fields as they are written. */
export interface CronText {
  readonly minute: string;
  readonly hour: string;
  readonly day: string;
  readonly month: string;
  readonly weekday: string;
}

/** The fields of an expression; undefined for a name such as `@daily`. */
export function cronText(cron: string): CronText | undefined {
  const parts = cron.trim().split(/\s+/);
  const [minute, hour, day, month, weekday] = parts;
  if (parts.length !== 5 || minute === undefined || hour === undefined) return undefined;
  if (day === undefined || month === undefined || weekday === undefined) return undefined;
  return { minute, hour, day, month, weekday };
}

/** The expression with other fields. */
export function withFields(cron: string, fields: Partial<CronText>): string | undefined {
  const own = cronText(cron);
  if (own === undefined) return undefined;
  const { minute, hour, day, month, weekday } = { ...own, ...fields };
  return [minute, hour, day, month, weekday].join(' ');
}

/** The expression at another time of the day, in minutes since midnight, if it names one time. */
export function withTime(cron: string, time: number): string | undefined {
  const own = cronText(cron);
  if (own === undefined || !/^\d+$/.test(own.minute) || !/^\d+$/.test(own.hour)) return undefined;
  return withFields(cron, { minute: `${time % 60}`, hour: `${Math.floor(time / 60)}` });
}
