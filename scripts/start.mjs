// `npm start`: everything from a fresh clone to a restored, compared disk. `-- --once` ends there.
import { buildServer, installDependencies, node, run } from './setup.mjs';

installDependencies();
buildServer({ quiet: true });
const args = process.argv.slice(2);
const once = args.includes('--once');
const rest = args.filter((argument) => argument !== '--once');
process.exitCode = run(node, ['bin/tidemark.mjs', 'demo', ...(once ? [] : ['--keep']), ...rest]);
