/** What a self-test must still know after a crash: written before the first thing is made, removed when the last one is gone. */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';

import { literal, object, oneOf, refuse, string } from '../../../protocol/parse.ts';
import type { Parsed, Parser } from '../../../protocol/parse.ts';
import type { Logger } from '../../../base/log.ts';
import { RecordStore } from '../records.ts';

/** What each VM of a self-test is called; the module refuses others. */
export const scratchName = /^tidemark-self-test-[0-9a-f]{12}$/;

/** A self-test that has begun. */
export const selfTestRecord = object({
  format: literal(1),
  key: string({ maxLength: 32, pattern: /^[0-9a-f]{32}$/, what: 'a key of 32 hex digits' }),
  /** Of all its VMs. */
  name: string({ maxLength: 64, pattern: scratchName, what: 'a name of a VM of a self-test' }),
  /** Everything it writes is in here. */
  folder: string({ maxLength: 4096 }),
  /** `kept`: the user wants the VM to stay until `--clean-up`. */
  phase: oneOf('running', 'kept'),
});
export type SelfTestRecord = Parsed<typeof selfTestRecord>;
export type SelfTestRecords = RecordStore<SelfTestRecord>;

/**
 * The records below the folder of self-tests, in which others may be able to write: what a record names is removed by an administrator, so it may name only what a self-test
 * in this folder can have made.
 */
export async function openSelfTestRecords(folder: string, log: Logger): Promise<SelfTestRecords> {
  const own: Parser<SelfTestRecord> = (value, place) => {
    const record = selfTestRecord(value, place);
    if (record.name !== nameOf(record.key)) refuse(`${place}.name`, 'the name that follows from the key');
    if (record.folder !== join(folder, record.name))
      refuse(`${place}.folder`, 'a folder of that name beside the records');
    return record;
  };
  return RecordStore.open(join(folder, 'records'), own, log);
}

const nameOf = (key: string): string => `tidemark-self-test-${key.slice(0, 12)}`;

/** A record of a new self-test in `folder`. */
export function newRecord(folder: string): SelfTestRecord {
  const key = randomBytes(16).toString('hex');
  const name = nameOf(key);
  return { format: 1, key, name, folder: join(folder, name), phase: 'running' };
}
