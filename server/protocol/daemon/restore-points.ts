/** Restore points, over all repositories. */
import * as id from '../ids.ts';
import { request } from '../message.ts';
import * as model from '../model.ts';
import { array, boolean, integer, object, optional, string } from '../parse.ts';
import { personName } from './policy-model.ts';

const nothing = object({});

/** A day of the calendar, `2026-01-31`. */
export const calendarDay = string({ maxLength: 10, pattern: /^\d{4}-\d\d-\d\d$/, what: 'a day, as 2026-01-31' });
/** Where days begin and end: a name of the IANA time zone database, such as `Europe/Warsaw`; UTC when absent. `TM1001` when unknown. */
const timezone = string({ maxLength: 64, pattern: /^[\w+\-/]+$/, what: 'a name of a time zone' });

/** A restore point that cannot be read, or a repository that cannot be opened. */
export const damagedRestorePoint = object({
  repository: id.nameText,
  file: string({ maxLength: 1024 }),
  error: model.errorReport,
});

export const listRestorePoints = request(
  'tidemark/restorePoint/list',
  object({
    repository: optional(id.nameText),
    /** A VM's name or id. */
    vm: optional(string({ maxLength: 256 })),
    /** Only those of one day, in `timezone`. */
    day: optional(calendarDay),
    timezone: optional(timezone),
    /** At most so many, newest first. Without it all come, oldest first. */
    limit: optional(integer(1, 10_000)),
    /** Only older ones: the last id of the page before. */
    before: optional(id.restorePointId),
  }),
  object({
    restorePoints: array(model.restorePointInfo),
    /** Restore points that cannot be read, with the reason: never hidden. */
    damaged: array(damagedRestorePoint),
    /** How many fit the filter, whatever the page; with `limit` only. */
    total: optional(integer()),
    /** Whether older ones follow; with `limit` only. */
    hasMore: optional(boolean),
  }),
);

/** Counts of a repository's restore points, for trees that show them by VM and by day. */
export const summarizeRestorePoints = request(
  'tidemark/restorePoint/summary',
  object({ repository: id.nameText, timezone: optional(timezone) }),
  object({
    restorePoints: integer(),
    /** By name. */
    vms: array(
      object({
        vmId: id.vmId,
        /** As its newest restore point has it. */
        vmName: string({ maxLength: 256 }),
        count: integer(1),
        newestAt: model.timestamp,
        oldestAt: model.timestamp,
        newest: id.restorePointId,
      }),
    ),
    /** Newest first. */
    days: array(object({ day: calendarDay, count: integer(1) })),
    damaged: array(damagedRestorePoint),
  }),
);

export const getRestorePoint = request(
  'tidemark/restorePoint/get',
  object({ id: id.restorePointId, repository: optional(id.nameText) }),
  object({ restorePoint: model.restorePointInfo }),
);
/** Pins a restore point, or with `pinned` false unpins it. The pin is kept in the repository: every daemon that uses it honours it. */
export const pinRestorePoint = request(
  'tidemark/restorePoint/pin',
  object({
    id: id.restorePointId,
    repository: optional(id.nameText),
    pinned: boolean,
    /** Who asks: `anna@laptop`. */
    by: personName,
    note: optional(string({ maxLength: 1024 })),
  }),
  object({ restorePoint: model.restorePointInfo }),
);
/** Throws `TM4013` for one that is pinned or in use. */
export const deleteRestorePoint = request(
  'tidemark/restorePoint/delete',
  object({ id: id.restorePointId, repository: optional(id.nameText) }),
  nothing,
);
