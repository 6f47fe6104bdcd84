/** `flowd.v1.TimelineEvent` as the daemon serves it: what happened to policies, workloads and flowd itself. */
import type { U64 } from "./status";

export interface PolicyEvent {
  change?: string;
  kind?: string;
  namespace?: string;
  name?: string;
  file?: string;
  line?: number;
  rules?: number;
  generation?: number;
}

export interface EndpointEvent {
  change?: string;
  namespace?: string;
  name?: string;
  identity?: number;
  addresses?: string[];
  mode?: string;
  changed?: string[];
}

export interface EnforcedEvent {
  namespace?: string;
  name?: string;
  generation?: number;
  mode?: string;
  policies?: string[];
  error?: string;
}

export interface GenerationEvent {
  generation?: number;
  endpoints?: number;
  failed?: number;
  error?: string;
}

export interface AppliedEvent {
  step?: string;
  objects?: string[];
  confirmation?: string;
  undone_at?: string;
}

export interface AddressEvent {
  address?: string;
  identity?: number;
  namespace?: string;
  name?: string;
}

export interface ServiceEvent {
  change?: string;
  namespace?: string;
  name?: string;
}

export interface BreakGlassEvent {
  on?: boolean;
  since?: string;
}

/** One of the last nine is there. */
export interface TimelineEvent {
  number?: U64;
  time?: string;
  started?: { version?: string };
  policy?: PolicyEvent;
  endpoint?: EndpointEvent;
  enforced?: EnforcedEvent;
  generation?: GenerationEvent;
  applied?: AppliedEvent;
  address?: AddressEvent;
  service?: ServiceEvent;
  break_glass?: BreakGlassEvent;
}
