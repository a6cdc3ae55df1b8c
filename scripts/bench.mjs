// `npm run bench`: set-up, then the benchmark with the project's own Node. `-- --help` shows its options.
import { buildServer, installDependencies, node, run } from './setup.mjs';

installDependencies();
buildServer({ quiet: true });
process.exitCode = run(node, ['test/bench/main.ts', ...process.argv.slice(2)]);
