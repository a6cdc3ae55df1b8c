/** Makes everything an agent needs to run as a service: folder, certificate, credential, configuration. Doing it again keeps what is there. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { chmod, readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';

import { certificateSha256 } from '../../base/channel-binding.ts';
import { systemCode, writeFileDurably } from '../../base/files.ts';
import { errorCodes, TidemarkError } from '../../protocol/errors.ts';
import { parseListen } from '../listen-address.ts';
import type { ListenAddress } from '../listen-address.ts';
import { defaultThreads } from '../main.ts';
import { checkedNames, selfSignedCertificate } from '../tls/self-signed.ts';
import { readConfigDocument, writeConfig } from './config-file.ts';
import type { ConfigDocument } from './config-file.ts';
import { readCredentialFile, storedCredential, writeCredentialFile } from './credential-file.ts';
import { makePrivateFolder } from './private-folder.ts';
import type { ProtectOptions } from './private-folder.ts';

/** What to set up. What is absent stays as an earlier set-up made it, or gets its default. */
export interface SetUpOptions extends ProtectOptions {
  /** The agent's folder. */
  readonly directory: string;
  /** Needed the first time. */
  readonly listen?: string | undefined;
  readonly provider?: 'hyperv' | 'simulated' | undefined;
  /** The simulated host's directory. */
  readonly root?: string | undefined;
  /** Names and addresses of this host for a certificate that is made; the first one is for the URL. */
  readonly names?: readonly string[] | undefined;
  readonly threads?: number | undefined;
  readonly restoreFolder?: string | undefined;
  /** Gives the password; asked only when a credential is made. */
  readonly password: (() => Promise<string>) | undefined;
  /** Keep the credential that is there, whether or not a password is given. */
  readonly keepPassword?: boolean;
}

/** What was set up. */
export interface SetUpResult {
  readonly configFile: string;
  /** What to add in VS Code or with `tidemark host add`. */
  readonly url: string;
  /** SHA-256 of the certificate, 64 lower-case hex digits; absent for http. */
  readonly certificateSha256?: string;
  /** Whether they are new. */
  readonly made: { readonly certificate: boolean; readonly credential: boolean };
}

const files = {
  config: 'config.json',
  credential: 'credential.json',
  certificate: 'certificate.pem',
  key: 'key.pem',
  state: 'state',
  log: join('logs', 'agent.log'),
  audit: join('logs', 'audit.log'),
} as const;

/**
 * Sets up, or changes what is given. The configuration is written last: a set-up that was interrupted is done again from the start. Throws `TM1002` for what does not fit together,
 * `TM1003` for files of an earlier set-up that cannot be used.
 */
export async function setUpAgent(options: SetUpOptions): Promise<SetUpResult> {
  const { directory } = options;
  const configFile = join(directory, files.config);
  const names = checkedNames(options.names ?? defaultNames());
  await makePrivateFolder(directory, options);
  const earlier = await readConfigDocument(configFile);
  const listen = options.listen ?? earlier?.listen;
  if (listen === undefined) {
    throw usage('The address to listen on is missing.', 'Give --listen https://0.0.0.0:8440.');
  }
  const address = parseListen(listen);
  const config = configOf(options, earlier, listen, address);
  await makePrivateFolder(join(directory, 'logs'), { ...options, icacls: async () => undefined });
  if (config.provider === 'hyperv') {
    await makePrivateFolder(join(directory, files.state), { ...options, icacls: async () => undefined });
  }
  const certificate = address.tls ? await certificateIn(directory, names) : undefined;
  const credential = await credentialIn(directory, options);
  await writeConfig(configFile, config);
  const host = options.names === undefined ? (certificate?.host ?? names[0]) : names[0];
  return {
    configFile,
    url: urlOf(address, host ?? hostname()),
    ...(certificate === undefined ? {} : { certificateSha256: certificate.sha256 }),
    made: { certificate: certificate?.made ?? false, credential },
  };
}

/** This computer's name, and the one in its Windows domain. */
function defaultNames(): readonly string[] {
  const name = hostname();
  const domain = process.env['USERDNSDOMAIN'];
  return domain === undefined || domain === '' || name.includes('.') ? [name] : [name, `${name}.${domain}`];
}

function configOf(
  options: SetUpOptions,
  earlier: ConfigDocument | undefined,
  listen: string,
  address: ListenAddress,
): ConfigDocument {
  const provider = options.provider ?? earlier?.provider ?? 'hyperv';
  const simulated = provider === 'simulated';
  const root = options.root ?? earlier?.root;
  if (simulated && root === undefined) {
    throw usage('The simulated provider needs --root DIR.', 'Make a host directory with: tidemark sim init DIR');
  }
  if (!simulated && options.root !== undefined) throw usage('--root is for the simulated provider.', 'Leave it out.');
  const restoreFolder = options.restoreFolder ?? earlier?.restoreFolder;
  return {
    version: 1,
    provider,
    ...(simulated ? { root } : { stateFolder: files.state, ...(restoreFolder === undefined ? {} : { restoreFolder }) }),
    listen,
    credentialFile: files.credential,
    ...(address.tls ? { tls: { certificateFile: files.certificate, keyFile: files.key } } : {}),
    threads: options.threads ?? earlier?.threads ?? defaultThreads,
    logFile: files.log,
    auditFile: files.audit,
  };
}

interface Certificate {
  readonly sha256: string;
  /** The name it is for. */
  readonly host: string | undefined;
  readonly made: boolean;
}

/** The certificate that is there, or a new one. Daemons remember it: it is never replaced unasked. */
async function certificateIn(directory: string, names: readonly string[]): Promise<Certificate> {
  const certificateFile = join(directory, files.certificate);
  const keyFile = join(directory, files.key);
  const [cert, key] = await Promise.all([textOf(certificateFile), textOf(keyFile)]);
  if (cert === undefined || key === undefined) {
    const made = selfSignedCertificate(names);
    await writeFileDurably(keyFile, made.key, { mode: 0o600 });
    await writeFileDurably(certificateFile, made.cert, { mode: 0o600 });
    return { sha256: made.sha256, host: names[0], made: true };
  }
  await chmod(keyFile, 0o600);
  try {
    const read = new X509Certificate(cert);
    if (!read.checkPrivateKey(createPrivateKey(key))) throw new Error('the key is another one');
    const host = /^CN=(.+)$/m.exec(read.subject)?.[1];
    return { sha256: certificateSha256(read.raw), host, made: false };
  } catch (error) {
    throw new TidemarkError(
      errorCodes.invalidFile,
      `The certificate ${certificateFile} and its key cannot be used together.`,
      { hint: 'Delete both files and set up again; then every daemon must accept the new certificate.', cause: error },
    );
  }
}

/** Makes a credential unless the one that is there stays; gives whether it did. */
async function credentialIn(directory: string, options: SetUpOptions): Promise<boolean> {
  const file = join(directory, files.credential);
  const there = (await textOf(file)) !== undefined;
  if (there && (options.keepPassword === true || options.password === undefined)) {
    await readCredentialFile(file);
    await chmod(file, 0o600);
    return false;
  }
  if (options.password === undefined) throw usage('A password is needed the first time.', 'Give --password-file FILE.');
  await writeCredentialFile(file, await storedCredential(await options.password()));
  return true;
}

async function textOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw new TidemarkError(errorCodes.invalidFile, `The file ${path} cannot be read.`, { cause: error });
  }
}

function urlOf({ tls, port }: ListenAddress, host: string): string {
  return `${tls ? 'https' : 'http'}://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

function usage(message: string, hint: string): TidemarkError {
  return new TidemarkError(errorCodes.invalidUsage, message, { hint });
}
