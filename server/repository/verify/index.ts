/** Verification of a repository. */
import { errorCodes, TidemarkError } from '../../protocol/errors.ts';
import type { VerifyOptions, VerifyResult } from '../api.ts';
import type { RepositoryCore } from '../core.ts';

/** Checks a repository. */
export async function verifyRepository(_core: RepositoryCore, _options: VerifyOptions): Promise<VerifyResult> {
  throw new TidemarkError(errorCodes.internal, 'Verification is not part of this build.');
}
