/** What an uninstalled agent may have left behind. */
import type { Wine } from './wine.ts';

const keys = [
  String.raw`HKLM\SOFTWARE\Tidemark`,
  String.raw`HKLM\SYSTEM\CurrentControlSet\Services\TidemarkAgent`,
  String.raw`HKLM\SYSTEM\CurrentControlSet\Services\EventLog\Application\Tidemark Agent`,
  String.raw`HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Uninstall\TidemarkAgent`,
];

/** Registry keys of ours that are there and not empty. */
export async function registryRemains(wine: Wine): Promise<readonly string[]> {
  const found: string[] = [];
  for (const key of keys) {
    const { code, output } = await wine.run('reg', ['query', key, '/s']);
    if (code === 0 && /REG_/.test(output)) found.push(`${key}: ${output}`);
  }
  return found;
}
