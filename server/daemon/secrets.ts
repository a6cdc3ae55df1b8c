/** Passwords of hosts and repositories, in a file of their own that only its owner may read: never in the database, never in a log. */
import { join } from 'node:path';

import { Mutex } from '../base/concurrency.ts';
import { readJsonFile, writeFileDurably } from '../base/files.ts';
import { literal, object, record, string } from '../protocol/parse.ts';
import { errorCodes, TidemarkError } from '../protocol/errors.ts';

/** What a password belongs to. */
export type SecretKind = 'hosts' | 'repositories';

const secretsFile = object({
  format: literal(1),
  hosts: record(string({ maxLength: 1024 })),
  repositories: record(string({ maxLength: 1024 })),
});

/** Secrets shorter than this are not looked for in log lines: they would blank ordinary words. */
const minRedactLength = 6;

/** The passwords of one data directory. */
export class SecretStore {
  readonly #path: string;
  readonly #mutex = new Mutex();
  #secrets: Readonly<Record<SecretKind, ReadonlyMap<string, string>>>;
  /** Everything that ever was a secret in this process. */
  readonly #seen = new Set<string>();

  private constructor(path: string, hosts: Map<string, string>, repositories: Map<string, string>) {
    this.#path = path;
    this.#secrets = { hosts, repositories };
    for (const password of [...hosts.values(), ...repositories.values()]) this.keepOutOfLogs(password);
  }

  /** Reads `DATA/secrets.json`. Throws when it is there and damaged: passwords are not thrown away. */
  static async open(dataDirectory: string): Promise<SecretStore> {
    const path = join(dataDirectory, 'secrets.json');
    const stored = await readJsonFile(path, secretsFile);
    return new SecretStore(
      path,
      new Map(Object.entries(stored?.hosts ?? {})),
      new Map(Object.entries(stored?.repositories ?? {})),
    );
  }

  /** Throws `TM1003` when the file has lost the password. */
  get(kind: SecretKind, name: string): string {
    const password = this.#secrets[kind].get(name);
    if (password !== undefined) return password;
    throw new TidemarkError(errorCodes.invalidFile, `${this.#path} holds no password for ${name}.`, {
      hint: kind === 'hosts' ? 'Add the host again with --replace.' : 'Restore the file from a copy.',
    });
  }

  /** Durable when it resolves. */
  async set(kind: SecretKind, name: string, password: string): Promise<void> {
    this.keepOutOfLogs(password);
    await this.#change(kind, (secrets) => secrets.set(name, password));
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

  /** What could not be written is not remembered either: memory and file say the same. */
  async #change(kind: SecretKind, change: (secrets: Map<string, string>) => void): Promise<void> {
    await this.#mutex.run(async () => {
      const changed = new Map(this.#secrets[kind]);
      change(changed);
      const secrets = { ...this.#secrets, [kind]: changed };
      const content = {
        format: 1,
        hosts: Object.fromEntries(secrets.hosts),
        repositories: Object.fromEntries(secrets.repositories),
      };
      await writeFileDurably(this.#path, `${JSON.stringify(content)}\n`, { mode: 0o600 });
      this.#secrets = secrets;
    });
  }
}
