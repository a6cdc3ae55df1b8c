/** Times and zones that the tests of schedules and retention share. */
import * as fc from 'fast-check';

import type { PolicyWindow } from '../../../../server/policy/policy-schema.ts';
import { parseTimeOfDay } from '../../../../server/policy/units.ts';

/** `2026-03-29T01:00` as ms since 1970. */
export function utc(text: string): number {
  return Date.parse(`${text}Z`);
}

/** A moment as `2026-03-29T01:00Z`; with its seconds when it has some. */
export function utcText(at: number): string {
  const text = new Date(at).toISOString();
  return at % 60_000 === 0 ? `${text.slice(0, 16)}Z` : text;
}

/** `22:00-06:00` as a policy has it. */
export function windowOf(text: string): PolicyWindow {
  const [from = '', to = ''] = text.split('-');
  return { from: parseTimeOfDay(from) ?? -1, to: parseTimeOfDay(to) ?? -1 };
}

/** Zones whose clocks are changed by an hour, by half an hour, at midnight, not at all, and that are off by 45 minutes. */
export const zoneNames = [
  'Europe/Warsaw',
  'America/New_York',
  'Asia/Kathmandu',
  'Australia/Lord_Howe',
  'America/Havana',
  'Asia/Beirut',
  'Africa/Casablanca',
  'Pacific/Chatham',
  'America/St_Johns',
  'UTC',
];

export const anyZone = fc.constantFrom(...zoneNames);

const minute = fc.constantFrom('0', '30', '59', '*', '*/15', '*/7', '5,35', '0-10', '10-50/20');
const hour = fc.constantFrom('*', '0', '1', '2', '3', '23', '0,2', '*/2', '1-3', '2,14', '1-23/2', '22-23');
const dayOfMonth = fc.constantFrom(
  '*',
  '*',
  '*',
  '1',
  '29',
  '8,25',
  'L',
  '1-7',
  '31',
  '*/2',
  '15W',
  '1W,L',
  'LW',
  '31W',
);
const month = fc.constantFrom('*', '*', '*', '3', 'OCT', '2,4,10-11', '*/3');
const dayOfWeek = fc.constantFrom('*', '*', '*', 'SUN', 'MON-SAT', '0', '7', 'SUN#1', 'SUNL', 'SAT,SUN#4', '+SUN');

/** Expressions that a policy may have, some of which never fire. */
export const anyCron = fc.tuple(minute, hour, dayOfMonth, month, dayOfWeek).map((fields) => fields.join(' '));
