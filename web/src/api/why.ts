/** `flowd.v1.WhyResponse` as the daemon serves it: what decided at each end, what almost allowed it, what would. */
import type { PolicyRef, RuleRef } from "./flow";
import type { U64 } from "./status";

export interface Excerpt {
  yaml?: string;
  first_line?: number;
  truncated?: boolean;
  note?: string;
}

export interface WhyRule {
  rule?: RuleRef;
  /** Such as `spec.ingress[0]`. */
  path?: string;
  excerpt?: Excerpt;
  hits?: U64;
}

export interface WhyPolicy {
  policy?: PolicyRef;
  hits?: U64;
  because?: string[];
}

export interface WhyShadow {
  basis?: string;
  verdict?: string;
  reason?: string;
  rules?: WhyRule[];
  default_denied_by?: WhyPolicy[];
  changed?: boolean;
}

export interface NearMiss {
  rule?: RuleRef;
  path?: string;
  missed?: { what?: string; hint?: string }[];
}

export interface WhyEnd {
  direction?: string;
  endpoint?: string;
  peer?: string;
  destination?: string;
  basis?: string;
  verdict?: string;
  reason?: string;
  help?: string;
  rules?: WhyRule[];
  overridden?: WhyRule[];
  default_denied_by?: WhyPolicy[];
  decided_generation?: number;
  current_generation?: number;
  now?: { allowed?: boolean; reason?: string };
  near_misses?: NearMiss[];
  suggestion?: string;
  notes?: string[];
  shadow?: WhyShadow;
}

export interface WhyResponse {
  ends?: WhyEnd[];
  notes?: string[];
}
