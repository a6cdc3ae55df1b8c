/** The last step of an MSI: the service's path in quotes, and whether it serves. */
import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { X509Certificate } from 'node:crypto';
import { join } from 'node:path';

import { certificateSha256 } from '../../base/channel-binding.ts';
import { errorCodes, TidemarkError } from '../../protocol/errors.ts';
import { parseListen } from '../listen-address.ts';
import { readConfig } from '../set-up/config-file.ts';
import type { SetUpResult } from '../set-up/set-up.ts';
import { waitUntilAnswering } from './answering.ts';
import { answerPatienceMs } from './install.ts';
import { readInstallation } from './installation.ts';
import { runProgram } from './programs.ts';
import { quoteServicePath } from './service.ts';

/** Waits until the installed agent answers, and gives where. Throws `TM1002` when none is installed, `TM1900` when it does not answer. */
export async function checkInstalledAgent(): Promise<SetUpResult> {
  const installation = await readInstallation(runProgram);
  if (installation === undefined) {
    throw new TidemarkError(errorCodes.invalidUsage, 'No Tidemark agent is installed on this computer.');
  }
  if (installation.installPath !== undefined) await quoteServicePath(runProgram, installation.installPath);
  const configFile = join(installation.dataPath, 'config.json');
  const { listen, tls } = await readConfig(configFile);
  const address = parseListen(listen);
  const sha256 = tls && certificateSha256(new X509Certificate(await readFile(tls.certificateFile)).raw);
  await waitUntilAnswering({ ...address, certificateSha256: sha256 }, answerPatienceMs);
  return {
    configFile,
    url: `${address.tls ? 'https' : 'http'}://${hostname()}:${address.port}`,
    ...(sha256 === undefined ? {} : { certificateSha256: sha256 }),
    made: { certificate: false, credential: false },
  };
}
