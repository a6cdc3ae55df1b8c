/** Moments as findings name them. */
import { localFields } from '../schedule/zoned.ts';

/** `2026-11-29 02:00`, by the clocks of the zone. */
export function momentText(timezone: string, at: number): string {
  const { year, month, day, hour, minute } = localFields(timezone, at);
  return `${year}-${two(month)}-${two(day)} ${two(hour)}:${two(minute)}`;
}

function two(value: number): string {
  return value.toString().padStart(2, '0');
}
