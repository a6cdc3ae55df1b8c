/**
 * Passwords of hosts, repositories and the mail server, or where they are taken from, in a file of its own that only its owner may read: never in the
 * database, never in a log.
 */
import { join } from 'node:path';

import { Mutex } from '../base/concurrency.ts';
import { readJsonFile, writeFileDurably } from '../base/files.ts';
import { errorCodes, TidemarkError } from '../protocol/errors.ts';
import { array, literal, object, optional, record, string } from '../protocol/parse.ts';
import type { Parser } from '../protocol/parse.ts';
import { readPassword } from './password-source.ts';
import type { PasswordSource } from './password-source.ts';

/** What a password belongs to. */
export type SecretKind = 'hosts' | 'repositories' | 'mail';

const storedPassword = string({ maxLength: 1024 });
const passwordFile = object({ file: string({ maxLength: 4096 }) });
const passwordCommand = object({ command: array(string({ maxLength: 4096, allowEmpty: true }), 64) });

const passwordSource: Parser<PasswordSource> = (value, path) => {
  if (typeof value !== 'object' || value === null) return storedPassword(value, path);
  return 'file' in value ? passwordFile(value, path) : passwordCommand(value, path);
};

const secretsFile = object({
  format: literal(1),
  hosts: record(passwordSource),
  repositories: record(passwordSource),
  /** Absent in files that older versions wrote. */
  mail: optional(record(passwordSource)),
});

/** What helps when the file has lost a password. */
const lostHints: Readonly<Record<SecretKind, string>> = {
  hosts: 'Add the host again with --replace.',
  repositories: 'Restore the file from a copy.',
  mail: 'Set up the mail server again with `tidemark daemon smtp set`.',
};

/** Secrets shorter than this are not looked for in log lines: they would blank ordinary words. */
const minRedactLength = 6;

/** The passwords of one data directory. */
export class SecretStore {
  readonly #path: string;
  readonly #mutex = new Mutex();
  #secrets: Readonly<Record<SecretKind, ReadonlyMap<string, PasswordSource>>>;
  /** Everything that ever was a secret in this process. */
  readonly #seen = new Set<string>();

  private constructor(path: string, secrets: Readonly<Record<SecretKind, ReadonlyMap<string, PasswordSource>>>) {
    this.#path = path;
    this.#secrets = secrets;
    for (const sources of Object.values(secrets))
      for (const source of sources.values()) this.#keepSourceOutOfLogs(source);
  }

  /** Reads `DATA/secrets.json`. Throws when it is there and damaged: passwords are not thrown away. */
  static async open(dataDirectory: string): Promise<SecretStore> {
    const path = join(dataDirectory, 'secrets.json');
    const stored = await readJsonFile(path, secretsFile);
    return new SecretStore(path, {
      hosts: new Map(Object.entries(stored?.hosts ?? {})),
      repositories: new Map(Object.entries(stored?.repositories ?? {})),
      mail: new Map(Object.entries(stored?.mail ?? {})),
    });
  }

  /** Where the password comes from; undefined when the file has lost it. */
  find(kind: SecretKind, name: string): PasswordSource | undefined {
    return this.#secrets[kind].get(name);
  }

  /** Where the password comes from. Throws `TM1003` when the file has lost it. */
  get(kind: SecretKind, name: string): PasswordSource {
    const source = this.find(kind, name);
    if (source !== undefined) return source;
    throw new TidemarkError(errorCodes.invalidFile, `${this.#path} holds no password for ${name}.`, {
      hint: lostHints[kind],
    });
  }

  /** The password as it is now: read from its file, or asked of its command. Throws `TM1003` and `TM5205`. */
  async read(kind: SecretKind, name: string, signal: AbortSignal): Promise<string> {
    return this.resolve(this.get(kind, name), signal);
  }

  /** The password that a source gives now; from then on it is kept out of logs. Throws `TM1003` and `TM5205`. */
  async resolve(source: PasswordSource, signal: AbortSignal): Promise<string> {
    this.#keepSourceOutOfLogs(source);
    const password = await readPassword(source, signal);
    this.keepOutOfLogs(password);
    return password;
  }

  /** Durable when it resolves. */
  async set(kind: SecretKind, name: string, source: PasswordSource): Promise<void> {
    this.#keepSourceOutOfLogs(source);
    await this.#change(kind, (secrets) => secrets.set(name, source));
  }

  async delete(kind: SecretKind, name: string): Promise<void> {
    await this.#change(kind, (secrets) => secrets.delete(name));
  }

  /** From now on `redact` blanks `password`. */
  keepOutOfLogs(password: string): void {
    if (password.length >= minRedactLength) this.#seen.add(password);
  }

  /** Blanks every known secret in `text`: a second line of defence for the log. */
  redact(text: string): string {
    let result = text;
    for (const secret of this.#seen) result = result.replaceAll(secret, '<redacted>');
    return result;
  }

  #keepSourceOutOfLogs(source: PasswordSource): void {
    if (typeof source === 'string') this.keepOutOfLogs(source);
  }

  /** What could not be written is not remembered either: memory and file say the same. */
  async #change(kind: SecretKind, change: (secrets: Map<string, PasswordSource>) => void): Promise<void> {
    await this.#mutex.run(async () => {
      const changed = new Map(this.#secrets[kind]);
      change(changed);
      const secrets = { ...this.#secrets, [kind]: changed };
      const content = {
        format: 1,
        hosts: Object.fromEntries(secrets.hosts),
        repositories: Object.fromEntries(secrets.repositories),
        mail: Object.fromEntries(secrets.mail),
      };
      await writeFileDurably(this.#path, `${JSON.stringify(content)}\n`, { mode: 0o600 });
      this.#secrets = secrets;
    });
  }
}
