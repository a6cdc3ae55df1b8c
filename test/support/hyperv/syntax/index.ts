/** Judges a PowerShell module without running it: by Windows PowerShell 5.1, and by the schema of Hyper-V. */
import { judgeCim, placeOf } from './cim.ts';
import { judgeLanguage } from './language.ts';
import type { FileReport } from './report.ts';
import { readSchema } from './schema.ts';

/** What must not be in the files of one module, as `File.ps1:12 why`; empty when all is well. */
export function judgeModule(files: readonly FileReport[]): readonly string[] {
  const find = readSchema();
  const names = files.flatMap(({ classNames }) =>
    classNames.flatMap(({ text }) => [...(find(text)?.properties.keys() ?? [])]),
  );
  return [...judgeLanguage(files, new Set(names)), ...judgeCim(files, find)].map(
    (one) => `${placeOf(one)} ${one.what}`,
  );
}
