/** The program: what dist/davit.cjs runs. */
import { dispatch } from './dispatch';
import { Terminal } from './render';

const FAILED = 255;

dispatch(process.argv.slice(2), { ...process.env }, new Terminal()).then(
  (code) => process.exit(code),
  () => process.exit(FAILED),
);
