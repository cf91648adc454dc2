/**
 * Notes what a launch is compiled from, so that its plan can be used again as long as all of it is the same
 * (docs/plan-cache.md). Files are noted by src/observed-fs.ts; nothing is noted before begin().
 */
import { native } from './native';
import { davit } from './schema/generated/plan-cache';

type Sight = davit.Sight.$Properties;
type Environment = Readonly<Record<string, string | undefined>>;

export const SIGHT = davit.SightKind;

/** Variables with these prefixes are noted together: which of them are there decides, too. */
const PREFIXES = ['DAVIT', 'APPTAINER', 'SINGULARITY'];
/** As in native/state/sight.cc. */
const PRIVATE = new Set(['DAVIT_FRONT', 'DAVIT_NODE', 'DAVIT_PLAN_CACHE']);

/** How long the C library's word about an account is believed: as nscd(8) believes it by default. */
const ACCOUNT_SECONDS = 600;

let sights: Map<string, Sight> | undefined;
const variables = new Set<string>();
let refused = false;

/** Notes what is looked at from here on. */
export function begin(): void {
  sights = new Map();
  saw(SIGHT.CALLER);
  // The compiler itself: the bundle that this module is a part of.
  saw(SIGHT.IDENTITY, __filename);
  // Colours were decided before it was known that this is a launch.
  saw(SIGHT.TERMINAL, '2');
  // What is loaded into Node before it may answer anything otherwise: nss_wrapper(1), fakeroot(1).
  variables.add('LD_PRELOAD');
}

/** Says that `object` is about to be looked at: a change after this is a difference. */
export function saw(kind: number, object = ''): void {
  if (sights === undefined || refused) return;
  const key = `${kind} ${object}`;
  if (sights.has(key)) return;
  const seen = native().look(kind, object);
  if (seen === null) refuse();
  else sights.set(key, { kind, object, seen });
}

/** The answer of the C library about an account, which comes from anywhere. */
export function sawAccount(env: Environment): void {
  // nss_wrapper(1) reads files of its own, which other variables name.
  if (env.LD_PRELOAD) refuse();
  const from = Math.floor(Date.now() / 1000);
  sights?.set('expiry', { kind: SIGHT.EXPIRY, object: '', seen: Buffer.from(`${from} ${from + ACCOUNT_SECONDS}`) });
}

/** The plan depends on something that is not noted: it is not used again. */
export function refuse(): void {
  refused = true;
}

/** An environment that notes which variables it is asked for. To list them all is to depend on them all: refused. */
export function observedEnvironment(env: Record<string, string | undefined>): Environment {
  return new Proxy(env, {
    get: (target, name) => {
      if (typeof name === 'string') variables.add(name);
      return target[name as string];
    },
    has: (target, name) => {
      variables.add(String(name));
      return name in target;
    },
    ownKeys: (target) => {
      refuse();
      return Reflect.ownKeys(target);
    },
    getOwnPropertyDescriptor: (target, name) => {
      variables.add(String(name));
      return Reflect.getOwnPropertyDescriptor(target, name);
    },
  });
}

/** The names of the variables of davit and Apptainer; other variables are asked for by name. */
export function ownNames(env: Environment): string[] {
  const before = refused;
  // Not Object.keys(), which looks at every variable to see whether it is enumerable.
  const names = Reflect.ownKeys(env) as string[];
  refused = before;
  return names.filter((name) => PREFIXES.some((prefix) => name.startsWith(prefix)));
}

/**
 * What to store for the next launch, or `undefined` when the plan must not be used again.
 * @param env what observedEnvironment() has made
 */
export function testimony(
  entry: Omit<davit.CachedPlan.$Properties, 'format' | 'sights'>,
  env: Environment,
): Uint8Array | undefined {
  if (sights === undefined || refused) return undefined;
  const given = ownNames(env).filter((name) => !PRIVATE.has(name));
  const asked = [...variables].filter((name) => !PREFIXES.some((prefix) => name.startsWith(prefix)));
  const all: Sight[] = [
    ...sights.values(),
    ...PREFIXES.map((prefix) => ({
      kind: SIGHT.VARIABLES,
      object: prefix,
      seen: Buffer.from(
        given
          .filter((name) => name.startsWith(prefix))
          .map((name) => `${name}=${env[name]}\0`)
          .join(''),
      ),
    })),
    ...asked.map((name) => ({
      kind: SIGHT.VARIABLE,
      object: name,
      seen: Buffer.from(env[name] === undefined ? '' : `=${env[name]}`),
    })),
  ];
  return davit.CachedPlan.encode({ ...entry, format: 1, sights: all }).finish();
}
