/** `node main.ts ROOT [--wine]`: a VMMS as a process. It prints `listening on 127.0.0.1:PORT` and ends when its standard input does. */
import { startVmms } from './index.ts';

const [root, ...options] = process.argv.slice(2);
if (root === undefined) throw new Error('Say which host directory.');
const vmms = await startVmms(root, { paths: options.includes('--wine') ? 'wine' : 'same' });
console.log(`listening on ${vmms.address}`);
process.stdin.resume();
process.stdin.on('end', () => {
  void vmms.close().then(() => process.exit(0));
});
