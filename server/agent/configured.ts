/** An agent as a service: served as its configuration file says, with a log file, because a service has no terminal. */
import { readFile } from 'node:fs/promises';

import { lineLogger } from '../base/log.ts';
import type { Logger } from '../base/log.ts';
import { errorCodes, TidemarkError } from '../protocol/errors.ts';
import type { AgentTls } from './http-server.ts';
import { openAuditFile, openLogFile } from './log-files.ts';
import { serveAgent } from './main.ts';
import type { RunningAgent } from './main.ts';
import { readConfig } from './set-up/config-file.ts';
import type { AgentConfig } from './set-up/config-file.ts';
import { readCredentialFile } from './set-up/credential-file.ts';

/** How to serve a configuration. */
export interface ConfiguredOptions {
  readonly version: string;
  /** Stops the agent when aborted. */
  readonly signal: AbortSignal;
  /** Gets a line when the log file itself cannot be written. */
  readonly onLogFailure: (line: string) => void;
  /** Where else entries of the log go. */
  readonly wrapLog?: ((log: Logger) => Logger) | undefined;
}

/** Serves until closed. Throws `TM1003` for a configuration, or a file it names, that cannot be used, and what `serveAgent` throws; the log file has the error too. */
export async function serveConfigured(configFile: string, options: ConfiguredOptions): Promise<RunningAgent> {
  const config = await readConfig(configFile);
  const { version, signal, onLogFailure, wrapLog = (file: Logger) => file } = options;
  await using open = new AsyncDisposableStack();
  const logFile = openLogFile(config.logFile, onLogFailure);
  open.defer(() => logFile[Symbol.dispose]());
  const log = wrapLog(lineLogger((line) => logFile.write(line)));
  const monitor = (error: unknown): void => log.log('error', 'the agent dies of an unexpected error', error);
  process.on('uncaughtExceptionMonitor', monitor);
  open.defer(() => {
    process.off('uncaughtExceptionMonitor', monitor);
  });
  try {
    log.log('info', `agent ${version} starts, process ${process.pid}, Node ${process.versions.node}`);
    const audit = openAuditFile(config.auditFile, log);
    open.defer(() => audit[Symbol.dispose]());
    const agent = await serveAgent({
      provider: config.provider,
      listen: config.listen,
      password: await readCredentialFile(config.credentialFile),
      tls: await readTls(config),
      threads: config.threads,
      version,
      audit,
      log,
      signal,
    });
    const files = open.move();
    const close = async (): Promise<void> => {
      await agent.close();
      log.log('info', 'agent stopped');
      await files.disposeAsync();
    };
    let closing: Promise<void> | undefined;
    return { url: agent.url, close: async () => (closing ??= close()) };
  } catch (error) {
    log.log('error', 'the agent cannot start', error);
    throw error;
  }
}

async function readTls({ tls }: AgentConfig): Promise<AgentTls | undefined> {
  if (tls === undefined) return undefined;
  const read = async (path: string): Promise<string> => {
    try {
      return await readFile(path, 'utf8');
    } catch (error) {
      throw new TidemarkError(errorCodes.invalidFile, `The file ${path} cannot be read.`, {
        hint: '`tidemark agent set-up` makes a certificate and its key when both are missing.',
        cause: error,
      });
    }
  };
  return { cert: await read(tls.certificateFile), key: await read(tls.keyFile) };
}
