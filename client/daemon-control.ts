/** Joins the connection with VS Code: settings, secrets, questions to the user, and where the extension's own daemon lies. */
import { join } from 'node:path';

import * as vscode from 'vscode';

import { resolveDataDirectory } from '../server/connect/data-directory.ts';
import { cancelledError } from '../server/protocol/errors.ts';
import { daemonPasswordKey, storageKeys } from './contributions.ts';
import { DaemonConnection } from './daemon/connection.ts';
import type { ConnectAttempt, Connector } from './daemon/connector.ts';
import { installDaemon, removeOldCopies } from './daemon/install.ts';
import type { LocalOptions } from './daemon/local-connector.ts';
import type { RemoteOptions } from './daemon/remote-connector.ts';
import { askVersion, findRuntime } from './daemon/runtime.ts';
import type { Logs } from './ui/log.ts';
import type { Notify } from './ui/notify.ts';
import { onSettingChange, readSetting } from './ui/settings.ts';

interface Surroundings {
  readonly extension: vscode.ExtensionContext;
  readonly logs: Logs;
  readonly notify: Notify;
}

/** Version of this extension. */
export function extensionVersion(extension: vscode.ExtensionContext): string {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- VS Code reads package.json and refuses one without a version
  return (extension.extension.packageJSON as { readonly version: string }).version;
}

/** Data directory of the local daemon, absolute. */
export function dataDirectory(): string {
  const chosen = readSetting('tidemark.daemon.dataDirectory');
  return resolveDataDirectory(chosen === '' ? undefined : chosen);
}

/** The connection of this window; not connected yet. It follows the settings that say which daemon it is. */
export function createDaemonControl(surroundings: Surroundings): DaemonConnection {
  const { extension, logs } = surroundings;
  const connection = new DaemonConnection({
    connector: () => {
      const url = readSetting('tidemark.daemon.address');
      return url === '' ? localConnector(surroundings) : remoteConnector(surroundings, url);
    },
    autoStart: () => readSetting('tidemark.daemon.autoStart'),
    log: (message, error) => (error === undefined ? logs.info(message) : logs.warn(message, error)),
  });
  const which = ['tidemark.daemon.address', 'tidemark.daemon.dataDirectory'] as const;
  extension.subscriptions.push(
    onSettingChange(which, () => {
      connection.disconnect().catch((error: unknown) => logs.error('disconnecting', error));
    }),
  );
  return connection;
}

/**
 * A connector that is loaded when it is first used: JSON-RPC, TLS and SQLite, which it needs, are most of what loading the extension would
 * cost.
 */
function lazily(canStart: boolean, load: () => Promise<Connector>): Connector {
  let loaded: Promise<Connector> | undefined;
  const connector = async (): Promise<Connector> => (loaded ??= load());
  return {
    canStart,
    connect: async (attempt) => (await connector()).connect(attempt),
    gone: async (instance, signal) => (await connector()).gone(instance, signal),
  };
}

function localConnector({ extension, logs }: Surroundings): Connector {
  const version = extensionVersion(extension);
  const directory = dataDirectory();
  let copy: string | undefined;
  const options: LocalOptions = {
    dataDirectory: directory,
    version,
    prepare: async ({ onStep }: ConnectAttempt) => {
      onStep('finding-node');
      const runtime = await findRuntime({
        nodePath: readSetting('tidemark.daemon.nodePath'),
        path: process.env['PATH'] ?? '',
        platform: process.platform,
        execPath: process.execPath,
        ownVersion: process.versions.node,
        askVersion,
      });
      onStep('installing');
      copy = await installDaemon({
        source: join(extension.extensionPath, 'dist/server'),
        version,
        dataDirectory: directory,
      });
      logs.info(`daemon: Node ${runtime.version} (${runtime.command}), ${copy}`);
      // It stays as long as a window, a run or another client needs it.
      const own = ['--quiet', '--exit-when-idle', '10'];
      const args = [join(copy, 'tidemark.js'), 'daemon', 'run', ...own, '--data', directory];
      return { command: runtime.command, args, env: runtime.env };
    },
    onStarted: () => {
      if (copy === undefined) return;
      removeOldCopies(copy).then(
        (removed) => removed.forEach((path) => logs.info(`removed ${path}`)),
        (error: unknown) => logs.warn('old copies of the daemon stay', error),
      );
    },
  };
  return lazily(true, async () => {
    const { LocalConnector } = await import('./daemon/local-connector.ts');
    return new LocalConnector(options);
  });
}

function remoteConnector({ extension, logs, notify }: Surroundings, url: string): Connector {
  const { globalState, secrets } = extension;
  const key = daemonPasswordKey(url);
  const certificates = (): Readonly<Record<string, string>> => globalState.get(storageKeys.daemonCertificates, {});
  const options: RemoteOptions = {
    url,
    version: extensionVersion(extension),
    password: async (mayAsk) => {
      const stored = await secrets.get(key);
      if (stored !== undefined) return stored;
      const given = mayAsk ? await askPassword(url) : undefined;
      if (given === undefined) throw cancelledError();
      return given;
    },
    passwordWorked: async (password) => {
      try {
        if ((await secrets.get(key)) !== password) await secrets.store(key, password);
      } catch (error) {
        // The connection works: it is the next window that asks again.
        logs.warn('the password of the daemon is not kept', error);
        const text = vscode.l10n.t(
          'VS Code could not keep the password of the daemon: its secret storage does not work on this machine. It is asked for again next time.',
        );
        void notify.warn(text, { suppressKey: 'daemon.passwordNotKept' });
      }
    },
    passwordRefused: async () => secrets.delete(key),
    certificate: () => certificates()[url],
    confirmCertificate: async (sha256) => {
      if (!(await askCertificate(url, sha256))) return false;
      await globalState.update(storageKeys.daemonCertificates, { ...certificates(), [url]: sha256 });
      return true;
    },
  };
  return lazily(false, async () => {
    const { RemoteConnector } = await import('./daemon/remote-connector.ts');
    return new RemoteConnector(options);
  });
}

async function askPassword(url: string): Promise<string | undefined> {
  return vscode.window.showInputBox({
    title: vscode.l10n.t('Connect to the Tidemark Daemon'),
    prompt: vscode.l10n.t('Password of the daemon at {0}', url),
    password: true,
    ignoreFocusOut: true,
    validateInput: (value) =>
      value === '' ? vscode.l10n.t('Enter the password that the daemon was started with.') : undefined,
  });
}

async function askCertificate(url: string, sha256: string): Promise<boolean> {
  const trust = vscode.l10n.t('Trust This Certificate');
  const chosen = await vscode.window.showWarningMessage(
    vscode.l10n.t('No authority vouches for the certificate of the daemon at {0}. Trust it?', url),
    {
      modal: true,
      detail: vscode.l10n.t(
        'Compare the fingerprint with the one in the daemon log of that machine:\n\n{0}',
        sha256.replaceAll(/(.{4})(?=.)/g, '$1 '),
      ),
    },
    trust,
  );
  return chosen === trust;
}

/** Forgets the password and the certificate of the remote daemon of the settings, so that the next connection asks again. */
export async function forgetRemoteDaemon(extension: vscode.ExtensionContext): Promise<void> {
  const url = readSetting('tidemark.daemon.address');
  await extension.secrets.delete(daemonPasswordKey(url));
  const { [url]: _, ...others } = extension.globalState.get<Record<string, string>>(storageKeys.daemonCertificates, {});
  await extension.globalState.update(storageKeys.daemonCertificates, others);
}
