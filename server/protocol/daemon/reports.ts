/** The report of a run: for programs, and as a page for people. */
import * as id from '../ids.ts';
import { request } from '../message.ts';
import { array, integer, object, string } from '../parse.ts';
import type { Parsed } from '../parse.ts';
import { notificationInfo } from './notifications.ts';
import { runInfo } from './run-model.ts';

export const runReport = object({
  /** Version of this document: keys are added within a version, never changed. */
  schema: integer(1),
  run: runInfo,
  /** The backups, the verification and the retention of a policy's run, in the order they were started. */
  children: array(runInfo, 65_536),
  /** How many of them are left out, because there are too many for one document. */
  omittedChildren: integer(),
  notifications: array(notificationInfo, 1024),
});
/** Everything about one run. */
export type RunReport = Parsed<typeof runReport>;

/** Throws `TM5101`. */
export const getRunReport = request(
  'tidemark/run/report',
  object({ id: id.runId }),
  object({
    report: runReport,
    /** The same for people: a page in Markdown. */ markdown: string({ maxLength: 16_777_216 }),
  }),
);
