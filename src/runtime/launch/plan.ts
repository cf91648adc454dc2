/** The launch plan as TypeScript handles it: plain objects whose fields src/schema/launch.proto explains. */
import { davit } from '../../schema/generated/launch';
import type { Note } from './notes';

export type LaunchPlan = davit.LaunchPlan.$Properties;
export type Step = davit.Step.$Properties;
export type Bind = davit.Bind.$Properties;
export type Environment = davit.Environment.$Properties;
export type Variable = davit.Variable.$Properties;
export type IdMap = davit.IdMap.$Properties;

/** Format of the message; a launcher refuses any other. */
export const PLAN_FORMAT = 1;

export const MODE = { inPlace: 0, child: 1, instance: 2, join: 3, warm: 4, stats: 5 } as const;

/** Version of the compiler, for messages and records. The bundler writes it in. */
export const DAVIT_VERSION = process.env.DAVIT_BUILD_VERSION ?? '0.0.0-unbundled';

/** A plan and what its compiler had to say about it. */
export interface CompiledPlan {
  plan: LaunchPlan;
  /** The plan as the launcher reads it. */
  bytes(): Uint8Array;
  warnings: Note[];
}

/** Joins a plan and its encoder. */
export function compiled(plan: LaunchPlan, warnings: Note[]): CompiledPlan {
  return { plan, bytes: () => davit.LaunchPlan.encode(plan).finish(), warnings };
}

export interface OutputRequest {
  messageLevel: number;
  color: boolean;
  /** Descriptor for one encoded LaunchReport; the programmatic interface's. */
  reportFd?: number;
}

/** The name of the field of a step that is set: what kind of step it is. */
export function stepKind(step: Step): string {
  const kind = Object.keys(step)[0];
  if (kind === undefined) throw new Error('a step without a kind');
  return kind;
}
