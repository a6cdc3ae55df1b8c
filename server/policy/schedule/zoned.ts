/**
 * Local times of IANA time zones. A local time is written as the ms that would have passed since 1970 if the zone were UTC, so that
 * fields and differences are plain arithmetic. Zones that this machine does not know throw a `RangeError`; policies are checked before.
 */

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
/** No offset changes twice within so long. */
const blockMs = 6 * hourMs;
/** Blocks remembered per zone: ten years. */
const maxBlocks = 16_384;
/** `Intl` takes no other times; a day is left for the arithmetic around them. */
const lastTime = 8_640_000_000_000_000 - 2 * dayMs;

/** The offset within a block: `before` until `at`, `after` from then on. */
interface Block {
  readonly before: number;
  readonly at: number;
  readonly after: number;
}

interface Zone {
  readonly format: Intl.DateTimeFormat;
  /** By number. */
  readonly blocks: Map<number, Block>;
}

const zones = new Map<string, Zone>();
const maxZones = 64;

function zoneOf(timezone: string): Zone {
  let zone = zones.get(timezone);
  if (zone === undefined) {
    const format = new Intl.DateTimeFormat('en-US', {
      timeZone: timezone,
      calendar: 'gregory',
      numberingSystem: 'latn',
      hourCycle: 'h23',
      era: 'short',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
    zone = { format, blocks: new Map() };
    if (zones.size >= maxZones) zones.clear();
    zones.set(timezone, zone);
  }
  return zone;
}

/** Whether this machine's time zone database has the zone. */
export function isKnownZone(timezone: string): boolean {
  try {
    zoneOf(timezone);
    return true;
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}

/** Asks `Intl`, which takes some µs. */
function measureOffset(zone: Zone, at: number): number {
  const second = Math.floor(at / 1000) * 1000;
  const fields: Record<string, number> = {};
  let era = '';
  for (const { type, value } of zone.format.formatToParts(second)) {
    if (type === 'era') era = value;
    else if (type !== 'literal') fields[type] = Number(value);
  }
  const { year = 1970, month = 1, day = 1, hour = 0, minute = 0, second: seconds = 0 } = fields;
  const local = new Date(0);
  local.setUTCFullYear(era.startsWith('B') ? 1 - year : year, month - 1, day);
  local.setUTCHours(hour, minute, seconds);
  return local.getTime() - second;
}

/** How far the zone's clocks are ahead of UTC at a moment, in ms. Times that no calendar has count as the nearest that one has. */
export function offsetAt(timezone: string, at: number): number {
  const zone = zoneOf(timezone);
  const time = Math.min(Math.max(Number.isNaN(at) ? 0 : at, -lastTime), lastTime);
  const number = Math.floor(time / blockMs);
  let block = zone.blocks.get(number);
  if (block === undefined) {
    if (zone.blocks.size >= maxBlocks) zone.blocks.clear();
    block = measureBlock(zone, number * blockMs);
    zone.blocks.set(number, block);
  }
  return time < block.at ? block.before : block.after;
}

function measureBlock(zone: Zone, start: number): Block {
  const before = measureOffset(zone, start);
  const after = measureOffset(zone, start + blockMs - 1);
  if (before === after) return { before, at: Infinity, after };
  const at = firstFrom(start, start + blockMs - 1, (moment) => measureOffset(zone, moment) !== before);
  return { before, at, after };
}

/** The first moment of (low, high] that is as asked, when all from there to `high` are. */
function firstFrom(low: number, high: number, isSo: (at: number) => boolean): number {
  let earlier = low;
  let later = high;
  while (later - earlier > 1) {
    const middle = Math.floor((earlier + later) / 2);
    if (isSo(middle)) later = middle;
    else earlier = middle;
  }
  return later;
}

/** What the zone's clocks show at a moment, as ms since 1970. */
export function toLocal(timezone: string, at: number): number {
  return at + offsetAt(timezone, at);
}

/** What clocks and calendars show. */
export interface LocalFields {
  readonly year: number;
  /** 1 to 12. */
  readonly month: number;
  readonly day: number;
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
  /** 1 is Monday, 7 is Sunday. */
  readonly weekday: number;
}

/** The fields of a moment in a zone. */
export function localFields(timezone: string, at: number): LocalFields {
  const local = new Date(toLocal(timezone, at));
  return {
    year: local.getUTCFullYear(),
    month: local.getUTCMonth() + 1,
    day: local.getUTCDate(),
    hour: local.getUTCHours(),
    minute: local.getUTCMinutes(),
    second: local.getUTCSeconds(),
    weekday: local.getUTCDay() || 7,
  };
}

/** A local time from its fields; fields that are too large count on, as with `Date.UTC`. */
export function localTime(year: number, month: number, day: number, hour = 0, minute = 0): number {
  const local = new Date(0);
  local.setUTCFullYear(year, month - 1, day);
  return local.setUTCHours(hour, minute);
}

/** The moments at which the zone's clocks show a local time, earliest first: none in the hour that is skipped, two in the one that is repeated. */
export function instantsOf(timezone: string, local: number): readonly number[] {
  // No zone is further from UTC than a day; the day around a change has the offsets of both its sides.
  const offsets = new Set([
    offsetAt(timezone, local - dayMs),
    offsetAt(timezone, local),
    offsetAt(timezone, local + dayMs),
  ]);
  return [...offsets]
    .map((offset) => local - offset)
    .filter((at) => toLocal(timezone, at) === local)
    .toSorted((a, b) => a - b);
}

/** The first moment at which the clocks show a local time, or, when they skip it, the moment they jump over it. */
export function instantOf(timezone: string, local: number): number {
  const [first] = instantsOf(timezone, local);
  if (first !== undefined) return first;
  const change = offsetChanges(timezone, local - 2 * dayMs, local + 2 * dayMs).find(
    ({ at, before, after }) => at + before <= local && local < at + after,
  );
  return change?.at ?? local - offsetAt(timezone, local);
}

/** A moment at which a zone's clocks are put forward or back. */
export interface OffsetChange {
  /** The first moment with the new offset. */
  readonly at: number;
  /** Offsets in ms. */
  readonly before: number;
  readonly after: number;
}

/** The changes of a zone's offset in (from, to]. */
export function offsetChanges(timezone: string, from: number, to: number): readonly OffsetChange[] {
  const changes: OffsetChange[] = [];
  let low = from;
  let before = offsetAt(timezone, low);
  while (low < to) {
    const high = Math.min(low + dayMs, to);
    const after = offsetAt(timezone, high);
    if (after !== before) {
      const old = before;
      changes.push({ at: firstFrom(low, high, (at) => offsetAt(timezone, at) !== old), before, after });
    }
    low = high;
    before = after;
  }
  return changes;
}

/** Spans of the calendar; weeks are those of ISO 8601, from Monday on. */
export type Period = 'hour' | 'day' | 'week' | 'month' | 'year';

/**
 * The number of the period that a moment is in: the same for all moments of it, larger for later ones. Counted by what the clocks show, so that a
 * day of 25 hours is one day, and the hour that is repeated is one hour.
 */
export function periodOf(period: Period, timezone: string, at: number): number {
  return localPeriod(period, toLocal(timezone, at));
}

/** The same of a local time. */
export function localPeriod(period: Period, local: number): number {
  return numberOf[period](local);
}

const numberOf: Readonly<Record<Period, (local: number) => number>> = {
  hour: (local) => Math.floor(local / hourMs),
  day: (local) => Math.floor(local / dayMs),
  // 1 January 1970 was a Thursday. A week has one number also when a year begins within it.
  week: (local) => Math.floor((Math.floor(local / dayMs) + 3) / 7),
  month: (local) => {
    const date = new Date(local);
    return date.getUTCFullYear() * 12 + date.getUTCMonth();
  },
  year: (local) => new Date(local).getUTCFullYear(),
};

/** The week of ISO 8601 that a moment is in; its year is the one that the week's Thursday is in. */
export function isoWeek(timezone: string, at: number): { readonly year: number; readonly week: number } {
  const week = periodOf('week', timezone, at);
  const thursday = week * 7 * dayMs;
  const year = new Date(thursday).getUTCFullYear();
  return { year, week: Math.floor((thursday - localTime(year, 1, 1)) / (7 * dayMs)) + 1 };
}
