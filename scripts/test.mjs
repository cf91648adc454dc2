// npm test: setup, then every suite; ends with one line "N passed, N failed" (", N skipped" may follow) over all of them.
//   node scripts/test.mjs                 lint unit native integration demo
//   node scripts/test.mjs unit native     only these, without the setup
// Suites: lint, unit (vitest), native (ctest, with sanitizers), integration (vitest; as root and as a plain user when
// root runs it), demo (npm run demo), nodes (other versions of Node; only by name or with DAVIT_TEST_NODES=1).
import { spawnSync } from 'node:child_process';
import { chownSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { die, isMain, root, run } from './lib.mjs';

const minutes = 60_000;
const none = { passed: 0, failed: 0, skipped: 0 };

/** Each returns counts { passed, failed, skipped }. */
const suites = { lint, unit, native, integration, demo, nodes };

async function main(names) {
  const unknown = names.find((name) => !(name in suites));
  if (unknown) die(`no suite "${unknown}"`, `the suites are ${Object.keys(suites).join(', ')}`);
  if (names.length === 0) {
    const { setup } = await import('./setup.mjs');
    await setup('test');
  }
  const standard = [
    'lint',
    'unit',
    'native',
    'integration',
    'demo',
    ...(process.env.DAVIT_TEST_NODES ? ['nodes'] : []),
  ];
  let total = none;
  const report = [];
  for (const name of names.length > 0 ? names : standard) {
    process.stdout.write(`\n== ${name}\n`);
    const counts = await suites[name]();
    report.push(`${name}: ${words(counts)}`);
    total = add(total, counts);
  }
  process.stdout.write(`\n${report.join('\n')}\n${words(total)}\n`);
  process.exitCode = total.failed > 0 || total.passed === 0 ? 1 : 0;
}

function words({ passed, failed, skipped }) {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
}

async function lint() {
  return (await import('./lint.mjs')).lint();
}

async function unit() {
  await (await import('./codegen.mjs')).codegen();
  return vitest('unit', { directory: root, spawn: spawnSync });
}

/** A build of its own in build/sanitize; one executable is one test. */
async function native() {
  await (await import('./codegen.mjs')).codegen();
  const directory = join(root, 'build/sanitize');
  (await import('./build.mjs')).configured(directory);
  const configured = run('cmake', ['-S', root, '-B', directory, '-DDAVIT_TESTS=ON', '-DDAVIT_SANITIZE=ON'], {
    check: false,
  });
  const built =
    configured === 0
      ? run('cmake', ['--build', directory, '--parallel', String(availableParallelism())], { check: false })
      : 1;
  if (built !== 0) return { ...none, failed: 1 };

  const args = ['--test-dir', directory, '--output-on-failure', '--parallel', String(availableParallelism())];
  const options = { cwd: root, encoding: 'utf8', timeout: 10 * minutes, maxBuffer: 64 * 1024 * 1024 };
  const result = spawnSync('ctest', args, options);
  process.stdout.write(`${result.stdout}${result.stderr}`);
  const counts = ctestCounts(result.stdout ?? '');
  return result.status !== 0 && counts.failed === 0 ? { ...counts, failed: 1 } : counts;
}

/** Counts the lines `1/4 Test #1: plan_test ... Passed 0.01 sec`. */
export function ctestCounts(output) {
  const states = [...output.matchAll(/^ *\d+\/\d+ Test +#\d+: .*?(Passed|\*\*\*Skipped|\*\*\*\w+)/gm)].map(
    (match) => match[1],
  );
  const count = (wanted) => states.filter((state) => state === wanted).length;
  const [passed, skipped] = [count('Passed'), count('***Skipped')];
  return { passed, skipped, failed: states.length - passed - skipped };
}

/** As root: once as root, once as a plain user. As a plain user: once, and root's half counts as skipped. */
async function integration() {
  const own = vitest('integration', { directory: root, spawn: spawnSync });
  if (process.getuid() !== 0) {
    process.stdout.write('integration as root: skipped, not started by root\n');
    return { ...own, skipped: own.skipped + 1 };
  }
  return add(own, await asPlainUser('integration', (plain) => vitest('integration', plain)));
}

/** Calls `action` with what makes it run as the plain user: a directory, a spawnSync, the user as owner of files. */
async function asPlainUser(title, action) {
  const { asUser, testUser, withReadableProject } = await import('./test-user.mjs');
  const user = testUser();
  process.stdout.write(`\n== ${title} as ${user.name}\n`);
  const spawn = (command, args, options) => asUser(user, command, args, options);
  return withReadableProject(user, (directory) => action({ directory, spawn, owner: user }));
}

/** Runs one vitest project by `spawn` in `directory`; the report lies in a directory of `owner`. */
function vitest(project, { directory, spawn, owner }) {
  const work = mkdtempSync(join(tmpdir(), 'davit-report-'));
  if (owner) chownSync(work, owner.uid, owner.gid);
  const report = join(work, 'report.json');
  const args = ['run', '--project', project, '--passWithNoTests', '--configLoader', 'runner'];
  const reporters = ['--reporter', 'default', '--reporter', 'json', '--outputFile.json', report];
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => passedOn(name, owner !== undefined)));
  try {
    const { status } = spawn(
      process.execPath,
      [join(directory, 'node_modules/vitest/vitest.mjs'), ...args, ...reporters],
      {
        cwd: directory,
        env,
        stdio: ['ignore', 'inherit', 'inherit'],
        timeout: 15 * minutes,
      },
    );
    return vitestCounts(report, status);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** The plain user gets an environment of its own, plus what steers tests. */
function passedOn(name, clean) {
  return !clean || /^(CI|NO_COLOR|FORCE_COLOR|TERM|LANG|DAVIT_TEST_.*|DAVIT_MUST_WORK|DAVIT_NODE)$/.test(name);
}

/** A file that does not load has no tests to count: it is one failure, and so is a run without a report. */
function vitestCounts(report, status) {
  if (!existsSync(report)) return { ...none, failed: 1 };
  const result = JSON.parse(readFileSync(report, 'utf8'));
  const broken = result.testResults.filter(
    (file) => file.status === 'failed' && file.assertionResults.length === 0,
  ).length;
  const failed = result.numFailedTests + broken;
  const left = result.testResults
    .flatMap((file) => file.assertionResults)
    .filter(({ status }) => !['passed', 'failed'].includes(status));
  for (const test of left) process.stdout.write(`skipped: ${test.fullName}\n`);
  return { passed: result.numPassedTests, failed: failed === 0 && status !== 0 ? 1 : failed, skipped: left.length };
}

/** The demonstration is one test, it checks itself; root also has it run by a plain user. */
async function demo() {
  const args = ['scripts/demo.mjs', '--no-setup'];
  const own = asOneTest({ args, directory: root, spawn: spawnSync });
  if (process.getuid() !== 0) return own;
  return add(own, await asPlainUser('demo', (plain) => asOneTest({ args, ...plain })));
}

async function nodes() {
  return asOneTest({ args: ['scripts/smoke-nodes.mjs', '--demo'], directory: root, spawn: spawnSync });
}

function asOneTest({ args, directory, spawn }) {
  const options = { cwd: directory, stdio: ['ignore', 'inherit', 'inherit'], timeout: 5 * minutes };
  const { status } = spawn(process.execPath, args, options);
  return { ...none, [status === 0 ? 'passed' : 'failed']: 1 };
}

function add(left, right) {
  return Object.fromEntries(Object.keys(none).map((key) => [key, left[key] + right[key]]));
}

if (isMain(import.meta.url)) await main(process.argv.slice(2));
