/** Requests about policies. A policy is its text: the daemon parses and checks it itself before it accepts or runs anything. */
import * as id from '../ids.ts';
import { request } from '../message.ts';
import { timestamp } from '../model.ts';
import { array, boolean, integer, object, oneOf, optional, string } from '../parse.ts';
import {
  appliedPolicy,
  personName,
  policyFinding,
  policyPlan,
  policyText,
  policyVersion,
  retentionDecision,
} from './policy-model.ts';
import { runInfo } from './run-model.ts';

const nothing = object({});
/** Who asks, for the history: `anna@laptop`. */
const by = personName;
/** True when this very text was applied already: nothing has changed. */
const unchanged = optional(boolean);
const source = optional(string({ maxLength: 4096 }));

export const listPolicies = request(
  'tidemark/policy/list',
  nothing,
  object({ policies: array(appliedPolicy, 10_000) }),
);

/** The text of a version, the applied one when none is named; also of a policy that was deleted. Throws `TM7002`. */
export const getPolicy = request(
  'tidemark/policy/get',
  object({ name: id.policyName, version: optional(integer(1)) }),
  object({ version: policyVersion, text: policyText }),
);

/** Checks a text against the schema and what the daemon knows. Never refused: what is wrong is in the answer. */
export const checkPolicy = request(
  'tidemark/policy/check',
  object({ text: string({ maxLength: 1_048_576, allowEmpty: true }) }),
  object({ findings: array(policyFinding, 1024) }),
);

/** What applying the text would do. Throws `TM7001` with the first error when the text is not a policy. */
export const planPolicy = request('tidemark/policy/plan', object({ text: policyText }), object({ plan: policyPlan }));

/**
 * Applies the text: from now on the daemon carries it out. The text that is applied already makes no new version. Throws `TM7001`, and
 * `TM7003` when another version is applied than `expectedVersion` (0: none is).
 */
export const applyPolicy = request(
  'tidemark/policy/apply',
  object({ text: policyText, by, source, expectedVersion: optional(integer(0)) }),
  object({ policy: appliedPolicy, unchanged }),
);

/** The policy is not carried out any more; its restore points and its history stay, and a run of it goes on. Throws `TM7002`. */
export const deletePolicy = request('tidemark/policy/delete', object({ name: id.policyName, by }), nothing);

/** Newest first. Throws `TM7002` when there never was such a policy. */
export const getPolicyHistory = request(
  'tidemark/policy/history',
  object({ name: id.policyName }),
  object({ versions: array(policyVersion, 100_000) }),
);

/** Applies the text of an earlier version as a new one. Throws `TM7001`, `TM7002`. */
export const rollBackPolicy = request(
  'tidemark/policy/rollBack',
  object({ name: id.policyName, version: integer(1), by }),
  object({ policy: appliedPolicy, unchanged }),
);

/** Starts nothing by schedule until resumed, or until a moment. Throws `TM7002`. */
export const pausePolicy = request(
  'tidemark/policy/pause',
  object({ name: id.policyName, by, until: optional(timestamp) }),
  object({ policy: appliedPolicy }),
);
/** `unchanged` when it was not paused. Throws `TM7002`. */
export const resumePolicy = request(
  'tidemark/policy/resume',
  object({ name: id.policyName, by }),
  object({ policy: appliedPolicy, unchanged }),
);

/** Starts a run of the policy now, whatever its schedule and window say. The same `key` returns the run that was started with it. Throws `TM7002`, and `TM7005` when one is active. */
export const runPolicy = request(
  'tidemark/policy/run',
  object({
    name: id.policyName,
    type: optional(oneOf('full', 'incremental')),
    key: optional(string({ maxLength: 64 })),
  }),
  object({ run: runInfo }),
);

/** What the retention of the applied policy would do now, newest restore points first. Throws `TM7002`. */
export const previewRetention = request(
  'tidemark/policy/previewRetention',
  object({ name: id.policyName }),
  object({ decisions: array(retentionDecision), warnings: array(string({ maxLength: 4096 }), 1024) }),
);
