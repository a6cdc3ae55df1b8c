// `npm start`: everything from a fresh clone to a restored, compared disk. `-- --once` ends there; without it the demo stays
// up in .tidemark/demo until Ctrl-C. Other arguments go to `tidemark demo`.
import { buildServer, installDependencies, node, runUntilStopped } from './setup.mjs';

installDependencies();
buildServer({ quiet: true });
const args = process.argv.slice(2);
const rest = args.filter((argument) => argument !== '--once');
const keep = args.includes('--once') ? [] : ['--keep'];
const place =
  keep.length > 0 && !rest.some((argument) => argument.startsWith('--dir')) ? ['--dir', '.tidemark/demo'] : [];
process.exitCode = await runUntilStopped(node, ['bin/tidemark.mjs', 'demo', ...keep, ...place, ...rest]);
