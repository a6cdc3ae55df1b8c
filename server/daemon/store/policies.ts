/** The tables of policies. */
import type { DatabaseSync } from 'node:sqlite';

import type { Logger } from '../../base/log.ts';
import { policyPause, policyVersion } from '../../protocol/daemon.ts';
import type { AppliedPolicy, PolicyVersion } from '../../protocol/daemon.ts';
import * as id from '../../protocol/ids.ts';
import { timestamp } from '../../protocol/model.ts';
import { json, nullable, object, string } from '../../protocol/parse.ts';
import { readable } from './readable.ts';
import type { PolicyStore, StoredPolicy, StoredVersion } from './policy-store.ts';

const infoText = string({ maxLength: 64 * 1024 });
const versionRow = object({ info: infoText });
/** What a policy may be is checked where its text is parsed. */
const textRow = object({ info: infoText, text: string({ maxLength: 1024 * 1024, allowEmpty: true }) });
const appliedRow = object({
  name: id.policyName,
  repository: id.nameText,
  paused: nullable(infoText),
  last_success_at: nullable(timestamp),
});

/** `transaction` runs its argument in one, as the store does. */
export class SqlitePolicyStore implements PolicyStore {
  readonly #database: DatabaseSync;
  readonly #log: Logger;
  readonly #transaction: (work: () => void) => void;

  constructor(database: DatabaseSync, log: Logger, transaction: (work: () => void) => void) {
    this.#database = database;
    this.#log = log;
    this.#transaction = transaction;
  }

  applied(): readonly StoredPolicy[] {
    const rows = this.#database
      .prepare(
        'SELECT p.*, v.info, v.text FROM policies p JOIN policy_versions v ON v.name = p.name AND v.version = p.version ORDER BY p.name',
      )
      .all();
    return readable(rows, parseApplied, (error) =>
      this.#log.log('error', 'A policy of the database cannot be read and is not carried out', error),
    );
  }

  apply(name: string, added: StoredVersion, repository: string): void {
    this.#transaction(() => {
      this.#add(name, added);
      this.#database
        .prepare(
          'INSERT INTO policies (name, version, repository) VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE SET version = excluded.version, repository = excluded.repository',
        )
        .run(name, added.version.version, repository);
    });
  }

  remove(name: string, added: StoredVersion): void {
    this.#transaction(() => {
      this.#add(name, added);
      this.#database.prepare('DELETE FROM policies WHERE name = ?').run(name);
    });
  }

  setPaused(name: string, paused: AppliedPolicy['paused']): void {
    this.#database
      .prepare('UPDATE policies SET paused = ? WHERE name = ?')
      .run(paused === undefined ? null : JSON.stringify(paused), name);
  }

  setLastSuccess(name: string, at: string): void {
    this.#database.prepare('UPDATE policies SET last_success_at = ? WHERE name = ?').run(at, name);
  }

  history(name: string): readonly PolicyVersion[] {
    return this.#database
      .prepare('SELECT info FROM policy_versions WHERE name = ? ORDER BY version DESC')
      .all(name)
      .map((row) => parseVersion(versionRow(row, 'policy_versions').info));
  }

  version(name: string, version: number | undefined): StoredVersion | undefined {
    const row = this.#database
      .prepare(
        'SELECT info, text FROM policy_versions WHERE name = ? AND (? IS NULL OR version = ?) ORDER BY version DESC LIMIT 1',
      )
      .get(name, version ?? null, version ?? null);
    return row === undefined ? undefined : parseText(row);
  }

  #add(name: string, { version, text }: StoredVersion): void {
    this.#database
      .prepare('INSERT INTO policy_versions (name, version, info, text) VALUES (?, ?, ?, ?)')
      .run(name, version.version, JSON.stringify(version), text);
  }
}

function parseVersion(info: string): PolicyVersion {
  return json(info, policyVersion, 'policy version');
}

function parseText(row: unknown): StoredVersion {
  const { info, text } = textRow(row, 'policy_versions');
  return { version: parseVersion(info), text };
}

function parseApplied(row: unknown): StoredPolicy {
  const { name, repository, paused, last_success_at: lastSuccessAt } = appliedRow(row, 'policies');
  return {
    ...parseText(row),
    name,
    repository,
    paused: paused === null ? undefined : json(paused, policyPause, 'pause'),
    lastSuccessAt: lastSuccessAt ?? undefined,
  };
}
