/** The repository that is proposed first. */
import type { App } from '../../app.ts';
import { storageKeys } from '../../contributions.ts';

/** The repository of the last backup from this editor. */
export function lastRepository({ extension }: App): string | undefined {
  return extension.globalState.get<string>(storageKeys.lastRepository);
}

/** Proposed next time. */
export async function rememberRepository({ extension }: App, name: string): Promise<void> {
  await extension.globalState.update(storageKeys.lastRepository, name);
}
