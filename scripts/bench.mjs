// `npm run bench`: set-up, then the benchmark with the project's own Node. `-- --help` shows its options.
// `npm run bench:editor` measures the views of the editor instead, which need no server; `npm run bench:policies` the language server and
// plans of policies; `npm run bench:hyperv` the agent for Hyper-V.
import { buildServer, installDependencies, node, run } from './setup.mjs';

installDependencies();
const options = process.argv.slice(2);
if (options[0] === '--editor') {
  process.exitCode = run(node, ['--expose-gc', 'test/bench/editor.ts', ...options.slice(1)]);
} else if (options[0] === '--policies') {
  buildServer({ quiet: true });
  process.exitCode = run(node, ['test/bench/policies.ts', ...options.slice(1)]);
} else if (options[0] === '--hyperv') {
  process.exitCode = run(node, ['test/bench/hyperv/main.ts', ...options.slice(1)]);
} else {
  buildServer({ quiet: true });
  process.exitCode = run(node, ['test/bench/main.ts', ...options]);
}
