/** Writes schemas/backup-policy.schema.json from the policy model: `npm run schema`. A unit test finds out when that was forgotten. */
import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

import { policyJsonSchema } from '../../server/policy/index.ts';

/** Where the schema lies. */
export const policySchemaFile = fileURLToPath(new URL('../../schemas/backup-policy.schema.json', import.meta.url));

/** What is in it. */
export function policySchemaText(): string {
  return `${JSON.stringify(policyJsonSchema(), undefined, 2)}\n`;
}

if (import.meta.main) await writeFile(policySchemaFile, policySchemaText());
