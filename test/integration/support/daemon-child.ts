/** A daemon process with fake parts: `node daemon-child.ts DATA WORLD`. */
import { serveDaemon } from '../../../server/daemon/daemon.ts';
import { fakeParts } from './fake-parts.ts';

const [dataDirectory = '', world = ''] = process.argv.slice(2);
const controller = new AbortController();
process.once('SIGTERM', () => controller.abort());
try {
  await serveDaemon({ dataDirectory, version: '0.0.0-test', signal: controller.signal }, fakeParts(world));
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
process.exit();
