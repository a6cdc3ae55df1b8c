/** What clients see of a restore point. */
import { restorePointInfo as parseInfo } from '../protocol/model.ts';
import type { RestorePointInfo } from '../protocol/model.ts';
import type { RestorePointPin, StoredRestorePoint } from '../repository/index.ts';

/**
 * The public part of a stored restore point; `repository` is the name it is known under here, `pinned` its pin there. The parser drops what
 * is the repository's own.
 */
export function restorePointInfo(
  point: StoredRestorePoint,
  repository: string,
  pinned: RestorePointPin | undefined,
): RestorePointInfo {
  return parseInfo({ ...point, repository, pinned }, 'restore point');
}
