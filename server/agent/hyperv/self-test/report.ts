/** The report of a self-test (docs/self-test.md). It holds no name of a VM but the self-test's own, no name of the host, and no secret. */
import {
  array,
  boolean,
  integer,
  literal,
  nullable,
  object,
  oneOf,
  optional,
  record,
  string,
} from '../../../protocol/parse.ts';
import type { Parsed } from '../../../protocol/parse.ts';

const words = string({ maxLength: 65_536, allowEmpty: true });

/** `settled`: this host answered it. `not settled`: it did not, and `reason` says why. */
const state = oneOf('settled', 'not settled');

/** One question, and what was seen. */
export const question = object({
  question: words,
  state,
  /** What was found out, in a sentence; there when it is settled. */
  answer: optional(words),
  /** Why not; there when it is not settled. */
  reason: optional(words),
  /** How to settle it by hand. */
  procedure: optional(words),
  /** As it came: numbers, ids, error texts. */
  observed: record((value) => value),
});
export type Question = Parsed<typeof question>;

/** One item of the list; settled when all its questions are. */
export const item = object({
  number: integer(1, 99),
  title: words,
  state,
  reason: optional(words),
  questions: array(question, 64),
});
export type Item = Parsed<typeof item>;

/** The whole of it. `version` changes when a field changes its meaning or goes. */
export const selfTestReport = object({
  version: literal(1),
  program: words,
  startedAt: words,
  endedAt: words,
  host: object({
    build: integer(0, 1_000_000),
    updateRevision: nullable(integer(0)),
    osName: words,
    powershellVersion: words,
  }),
  /** The scratch VM, which is gone unless `kept`. */
  vm: object({ name: words, guest: boolean, kept: boolean }),
  /** False when the self-test was stopped before its end: what was not reached is not settled. */
  complete: boolean,
  items: array(item, 99),
  cleanUp: object({ done: boolean, left: array(words, 1024) }),
});
export type SelfTestReport = Parsed<typeof selfTestReport>;

/** A question that was answered. */
export function settled(text: string, answer: string, observed: object = {}): Question {
  return { question: text, state: 'settled', answer, observed: { ...observed } };
}

/** A question that was not, with how to settle it by hand. */
export function open(text: string, reason: string, procedure: string, observed: object = {}): Question {
  return { question: text, state: 'not settled', reason, procedure, observed: { ...observed } };
}

/** What stands before the name of a scratch VM in a path: where the host keeps its VMs is nobody's business. */
const before = /(?:[A-Za-z]:[\\/]|\\\\|\/)[^'"\n]*?(?=tidemark-self-test-[0-9a-f]{12})/g;

/** A report without paths of the host; `folders` are those of the self-test. */
export function scrubbed<T>(value: T, folders: readonly string[]): T {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the same shape, with other texts
  return scrub(value, folders) as T;
}

function scrub(value: unknown, folders: readonly string[]): unknown {
  if (typeof value === 'string') {
    const text = folders.reduce((rest, folder) => rest.replaceAll(folder, '<folder>'), value);
    return text.replaceAll(before, '');
  }
  if (Array.isArray(value)) return value.map((entry) => scrub(entry, folders));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, scrub(entry, folders)]));
}
